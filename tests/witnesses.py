"""Witnesses for the tests: the Go one of tests/outside as a process, and one that answers whatever it is told to."""
from __future__ import annotations

import asyncio
import json
import secrets
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import httpx

Respond = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class GoWitness:
    """A witness that can be stopped and started again under the same address and key."""

    program: str
    name: str
    logs: Sequence[str]
    seed: str = field(default_factory=lambda: secrets.token_hex(32))
    listen: str = "127.0.0.1:0"
    vkey: str = ""
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://{self.listen}"

    @property
    def line(self) -> str:
        """Its line in a policy."""
        return f"witness {self.name} {self.vkey} {self.url}"

    def start(self) -> GoWitness:
        arguments = ["witness", "-name", self.name, "-seed", self.seed, "-listen", self.listen, *(f"-log={vkey}" for vkey in self.logs)]
        self.process = subprocess.Popen([self.program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self.process.stdout is not None
        said = json.loads(self.process.stdout.readline())
        self.listen, self.vkey = said["url"].removeprefix("http://"), said["vkey"]
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.communicate(timeout=10)
            self.process = None

    def forget(self) -> None:
        """Lose the memory."""
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("forget\n")
        assert self.process.stdout.readline() == "forgotten\n"

    def ask(self, note: str, old: int, proof: Sequence[str] = ()) -> httpx.Response:
        """Send a request by hand."""
        return httpx.post(f"{self.url}/add-checkpoint", content="\n".join([f"old {old}", *proof, "", note]), timeout=10)


@contextmanager
def go_witnesses(program: str, names: Sequence[str], logs: Sequence[str]) -> Iterator[list[GoWitness]]:
    """Running witnesses that know these logs."""
    running = [GoWitness(program, name, logs) for name in names]
    try:
        yield [each.start() for each in running]
    finally:
        for each in running:
            each.stop()


def policy(log: str, witnesses: Sequence[GoWitness], threshold: int) -> str:
    """A tlog-policy: so many of these witnesses."""
    names = " ".join(witness.name for witness in witnesses)
    return "\n".join([f"log {log}", *(witness.line for witness in witnesses), f"group them {threshold} {names}", "quorum them", ""])


@dataclass
class Scripted:
    """A server that answers one connection after the other as it is told, and keeps what it was sent."""

    url: str
    bodies: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def scripted(answers: Sequence[Respond]) -> AsyncIterator[Scripted]:
    """Serve the answers in order, one a request; the last one again and again."""
    waiting = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")).split(b":")[1])
            seen.bodies.append(await reader.readexactly(length))
            await (waiting.pop(0) if len(waiting) > 1 else waiting[0])(writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    seen = Scripted(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield seen
    finally:
        server.close()


def says(status: int, body: bytes = b"", *headers: str) -> Respond:
    """An ordinary HTTP answer."""
    async def respond(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} x", f"content-length: {len(body)}", "connection: close", *headers]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()

    return respond


async def drips(writer: asyncio.StreamWriter) -> None:
    """Sends a byte of an answer now and then, for ever: no single read takes long."""
    writer.write(b"HTTP/1.1 200 x\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def hangs(writer: asyncio.StreamWriter) -> None:
    """Says nothing."""
    await asyncio.sleep(30)


async def hangs_up(writer: asyncio.StreamWriter) -> None:
    """Ends in the middle of the answer."""
    writer.write(b"HTTP/1.1 200 x\r\ncontent-length: 100\r\n\r\nhalf")


def free_port() -> int:
    """A port of 127.0.0.1 where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
