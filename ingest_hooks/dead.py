"""The folder of refused events: one JSON file each, with the problem, so that a person can mend and send it again.

    {"at": RFC 3339, "stage": "hook" | "service", "problem": {RFC 9457}, "stream", "sequence", "envelope" | "event" | "text"}

`stage` says who refused: the hook before signing (then `event` is what the pipeline gave us), or the service (then `envelope` is
what was sent). The folder is bounded; past the bound events are only counted.
"""
from __future__ import annotations

import itertools
import json
import os
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from ingest_hooks.segment import Record

__all__ = ["DeadLetters"]

MAX_FILES = 10_000  # a person reads these; what comes after the first ten thousand repeats them


class DeadLetters:
    """Writes into `<spool>/dead/`. Raises OSError when the disk refuses."""

    def __init__(self, root: Path) -> None:
        self.directory = root / "dead"
        self._number = itertools.count(1)
        self._room: int | None = None

    def refused_here(self, kind: str, event: object, problem: Mapping[str, object]) -> bool:
        """Keep an event that was not signed; False when the folder is full."""
        try:
            text = json.dumps({"type": kind, "event": event}, default=repr)
        except (ValueError, TypeError, RecursionError):
            text = json.dumps({"type": kind, "text": repr(event)[:100_000]})
        return self._write("hook", problem, json.loads(text), str(problem.get("code", "invalid-event")))

    def refused_there(self, record: Record, problem: Mapping[str, object]) -> bool:
        """Keep a spooled record that the service refused; False when the folder is full."""
        facts: dict[str, object] = {"stream": str(record.stream), "sequence": record.sequence}
        if record.is_event:
            facts["envelope"] = json.loads(record.content)
        else:
            facts["artifact"] = f"sha256:{record.digest.hex()}"
        return self._write("service", problem, facts, str(problem.get("code", problem.get("status", "refused"))))

    def _write(self, stage: str, problem: Mapping[str, object], facts: Mapping[str, object], code: str) -> bool:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._room is None:
            self._room = MAX_FILES - sum(1 for _ in self.directory.glob("*.json"))
        if self._room <= 0:
            return False
        document = {"at": datetime.now(UTC).isoformat(timespec="microseconds"), "stage": stage, "problem": dict(problem), **facts}
        name = f"{time.time_ns()}-{os.getpid()}-{next(self._number)}-{re.sub(r'[^a-z0-9-]', '_', code.lower())[:60]}.json"
        temporary = self.directory / f".{name}.part"
        temporary.write_text(json.dumps(document, indent=1, default=repr), encoding="utf-8")
        temporary.rename(self.directory / name)
        self._room -= 1
        return True
