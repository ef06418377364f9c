"""Asking the parser's process. It is started when first needed and again after it ended; a statement that ends it gets no second try."""
from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import suppress
from typing import Any, Final

from lineproof_schema.errors import LineproofError

__all__ = ["Parser", "ParserUnavailable"]

SECONDS: Final = 10.0  # for one statement and all its outputs; the widest statements of real warehouses take one
START_SECONDS: Final = 60.0
GRACE_SECONDS: Final = 30.0  # the process ends itself in time; this is for one that the machine holds still
LONGEST_LINE: Final = 64 * 2**20


class ParserUnavailable(LineproofError):
    """The parser's process does not start, or its answers cannot be read; retried."""

    code = "unreachable"


class Parser:
    """One process that parses SQL, a statement for at most `seconds`. Use it from one task, and close it."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._process: asyncio.subprocess.Process | None = None
        self.name = ""  # the parser and its version, once it runs

    async def ask(self, question: dict[str, Any]) -> dict[str, Any] | str:
        """The answer, or why there is none: `too-slow`, `parser-ended` (too much memory, or a fault in it).

        Raises:
            ParserUnavailable: it does not start.
        """
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(question).encode() + b"\n")
        try:
            async with asyncio.timeout(self._seconds + GRACE_SECONDS):
                await process.stdin.drain()
                line = await process.stdout.readline()
        except (TimeoutError, ValueError, ConnectionError):
            line = b""
        if line.endswith(b"\n"):
            answer: dict[str, Any] = json.loads(line)
            return answer
        ended = await self.close()
        return "too-slow" if ended in (-signal.SIGALRM, -signal.SIGKILL) else "parser-ended"

    async def close(self) -> int | None:
        """End the process; its exit code. Idempotent."""
        process, self._process = self._process, None
        if process is None:
            return None
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(1.0):
                return await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            return await process.wait()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        await self.close()
        self._process = await asyncio.create_subprocess_exec(sys.executable, "-m", "metadata_service.deriver", str(self._seconds),
                                                             stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LONGEST_LINE)
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(START_SECONDS):
                greeting = await self._process.stdout.readline()
            self.name = str(json.loads(greeting)["parser"])
        except (TimeoutError, ValueError, KeyError) as error:
            ended = await self.close()
            raise ParserUnavailable(f"the parser's process does not start (exit {ended}); is the sql extra installed?") from error
        return self._process
