"""`lineproof log watch`: a monitor. Follows a log from outside, and raises an alarm when it does what a sound log does not."""
from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lineproof_schema.errors import LineproofError
from metadata_service.cli.output import note, say

if TYPE_CHECKING:
    from lineproof_audit.promises import Promise
    from lineproof_audit.watch import Alarm, Look, Monitor

__all__ = ["watch"]

TRIES: Final = 3  # of --once, before it says that the log cannot be reached
LONGEST_SECONDS: Final = 300.0  # between two tries while following
EXEC_SECONDS: Final = 60.0


def watch(target: Annotated[str, typer.Argument(help="A URL (…/api/v1/log), a folder of tiles or fsspec URL, an export, a data directory or postgresql://…")],
          trust: Annotated[Path, typer.Option("--trust", help="Trust file, see lineproof keys trust.")],
          state: Annotated[Path, typer.Option("--state", help="File that keeps the last verified checkpoint; made at the first look.")],
          once: Annotated[bool, typer.Option("--once", help="Look once: exit 1 on an alarm, 3 if the log cannot be reached.")] = False,
          interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 30.0,
          max_age: Annotated[float | None, typer.Option(min=0, help="Alarm if newest entry and cosignatures are older, in seconds.")] = None,
          lag: Annotated[float, typer.Option(min=0, help="Seconds for which an outgrown checkpoint may be shown, by a cache on the way.")] = 0.0,
          producer_gaps: Annotated[bool, typer.Option("--producer-gaps", help="Alarm if a number that a producer counts never arrived. Reads every entry.")]
          = False,
          promised: Annotated[list[str] | None, typer.Option("--promised", help="An index, or a file of acknowledgements, that the log must keep. "
                                                                                  "Repeatable.")] = None,
          acks: Annotated[list[Path] | None, typer.Option("--acks", help="Spool of a hook: its acknowledgements must be kept. Repeatable.")] = None,
          merge_delay: Annotated[float, typer.Option(min=0, help="Seconds until an acknowledged entry must be under a checkpoint.")] = 60.0,
          against: Annotated[list[Path] | None, typer.Option("--against", help="A checkpoint, or another monitor's state file, to compare with. "
                                                                                "Repeatable.")] = None,
          execute: Annotated[str | None, typer.Option("--exec", help="Command to run per alarm, with the alarm as JSON on its standard input.")] = None,
          as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False) -> None:
    """Follow a log from outside: signature, growth without rewriting, age, producers' numbers, promised entries.

    Each alarm is said once while it lasts. A log that cannot be reached is said, tried again, and no alarm. Exit 1 if there was an alarm.
    """
    from ingest_hooks.backoff import Backoff
    from lineproof_audit.errors import AuditError
    from lineproof_audit.trust import load_trust
    from lineproof_audit.watch import Expectations, Monitor
    from lineproof_audit.watch_state import WatchState

    believed = load_trust(trust)
    backoff = Backoff(first=1.0, longest=LONGEST_SECONDS)
    teller = _Teller(as_json, None if execute is None else shlex.split(execute))
    with _ended_by_signals(), WatchState(state) as memory:
        monitor = Monitor(believed, memory, Expectations(max_age, lag, merge_delay, producer_gaps), lambda: time.time_ns() // 1_000)
        try:
            while True:
                try:
                    teller.tell(_look(monitor, target, promised or [], acks or [], against or [], bodies=producer_gaps))
                    backoff.reset()
                    wait = interval
                except AuditError as error:
                    if error.code != "log-unavailable":
                        raise
                    wait = backoff.next_delay() if once else max(interval, backoff.next_delay())
                    if once and backoff.failures >= TRIES:
                        raise
                    teller.unreachable(error, wait)
                else:
                    if once:
                        break
                time.sleep(wait)
        except KeyboardInterrupt:
            pass  # what was verified is kept already
    if teller.alarms:
        raise typer.Exit(1)


def _look(monitor: Monitor, target: str, promised: list[str], acks: list[Path], against: list[Path], *, bodies: bool) -> Look:
    """One look, with everything read anew: files of acknowledgements and checkpoints of others grow meanwhile."""
    from lineproof_audit.errors import CorruptLog
    from lineproof_audit.fsck_open import opened_for_fsck
    from lineproof_audit.watch_state import read_note

    promises = list(_promises(promised, acks))
    others = [read_note(path) for path in against]
    try:
        with opened_for_fsck(target, token=os.environ.get("LINEPROOF_TOKEN"), all_bodies=bodies) as sources:
            return monitor.look(sources[0][1], promises, others)
    except CorruptLog as error:  # so damaged that it cannot even be opened
        return monitor.damaged(error)


def _promises(promised: list[str], acks: list[Path]) -> Iterator[Promise]:
    from ingest_hooks.acks import AcknowledgementLog
    from lineproof_audit.promises import Promise, promise_of, read_promises

    for word in promised:
        if word.isdecimal():
            yield Promise(int(word))
        else:
            yield from read_promises(Path(word))
    for spool in acks:
        if not spool.is_dir():
            raise LineproofError(f"there is no spool {spool}", code="invalid-setting")
        for acknowledged in AcknowledgementLog(spool.parent if spool.name == "acks" else spool):
            try:
                yield promise_of(acknowledged.index, acknowledged.leaf)
            except ValueError as error:
                raise LineproofError(f"{spool}: {error}", code="invalid-setting") from error


class _Teller:
    """Says what is new: an alarm once until it is over, a checkpoint when it moved."""

    def __init__(self, as_json: bool, command: list[str] | None) -> None:
        self._as_json = as_json
        self._command = command
        self._lasting: set[Alarm] = set()
        self._notes: set[str] = set()
        self._size: int | None = None
        self.alarms = 0

    def tell(self, look: Look) -> None:
        for alarm in look.alarms:
            if not any(_same(alarm, other) for other in self._lasting):
                self._alarm(alarm)
        self._lasting = set(look.alarms)
        for text in look.notes:
            if text not in self._notes:
                self._line({"event": "note", "detail": text}, f"note: {text}")
        self._notes = set(look.notes)
        found = look.checkpoint
        if look.behind is not None and found is not None:
            self._line({"event": "behind", "size": look.behind.size, "kept": found.size, "alarmInSeconds": round(look.behind.seconds, 1)},
                       f"behind: {look.behind.size} entries are shown, {found.size} were seen; an alarm in {look.behind.seconds:.0f} s")
        elif found is not None and (found.size != self._size or look.proven):
            self._size = found.size
            grown = "first look" if look.before is None else f"extends the {look.before} seen before"
            promises = f", {look.proven} promised entries are in it" if look.proven else ""
            if not any(alarm.kept is not None and alarm.shown is not None for alarm in look.alarms):
                self._line({"event": "checkpoint", "origin": found.origin, "size": found.size, "rootHash": found.root.hex(), "before": look.before,
                            "promisesProven": look.proven}, f"{found.origin}: {found.size} entries, {grown}{promises}")

    def unreachable(self, error: LineproofError, wait: float) -> None:
        self._line({"event": "unreachable", "detail": error.detail, "retryInSeconds": round(wait, 1)}, f"not reached, again in {wait:.0f} s: {error.detail}")

    def _alarm(self, alarm: Alarm) -> None:
        self.alarms += 1
        document = alarm.to_json()
        where = "" if alarm.index is None else f" at entry {alarm.index}"
        evidence = "".join(f"\n  {name}:\n" + "\n".join(f"    {line}" for line in text.splitlines())
                           for name, text in (("kept", alarm.kept), ("shown", alarm.shown)) if text is not None)
        self._line(document, f"ALARM {alarm.kind}{where}: {alarm.detail}{evidence}")
        if self._command is not None:
            self._run(self._command, json.dumps(document, ensure_ascii=False).encode("utf-8") + b"\n")

    def _run(self, command: list[str], document: bytes) -> None:
        try:
            done = subprocess.run(command, input=document, timeout=EXEC_SECONDS, check=False)  # noqa: S603 - the operator's own command, no shell
            if done.returncode:
                note(f"lineproof: {command[0]} ended with {done.returncode}")
        except (OSError, subprocess.TimeoutExpired) as error:
            note(f"lineproof: cannot run {command[0]}: {error}")

    def _line(self, document: dict[str, Any], text: str) -> None:
        say(json.dumps(document, ensure_ascii=False) if self._as_json else text)


def _same(one: Alarm, other: Alarm) -> bool:
    """An age grows from look to look; the alarm is the same."""
    return one == other or (one.kind == other.kind == "stale" and one.shown == other.shown)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM ends as Ctrl-C does, wherever it comes: the state file is replaced as a whole."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
