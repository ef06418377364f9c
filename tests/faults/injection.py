"""Faults in system calls by strace: what to inject, and what of it was hit."""
from __future__ import annotations

import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# One word for the calls of one kind; which of them a process makes is up to its C library.
CALLS = {"fdatasync": "fdatasync", "fsync": "fsync", "pwrite64": "pwrite64", "write": "write", "rename": "?rename,?renameat,?renameat2",
         "unlink": "?unlink,?unlinkat", "mkdir": "?mkdir,?mkdirat", "ftruncate": "ftruncate"}
ATTACH_SECONDS = 30

_LINE = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(?:\(| resumed)(.*)$")
_PATH = re.compile(r'<(/[^>]*)>|"(/[^"]*)"')


@dataclass(frozen=True, slots=True)
class Fault:
    """`what` (EIO, ENOSPC, SIGKILL, or a delay such as 50ms) at the `when`-th call of each thread, if it concerns one of `paths` (any, if there are none)."""

    call: str
    what: str
    when: str
    paths: tuple[Path, ...] = ()

    def __str__(self) -> str:
        return f"{self.what} at {self.call} {self.when}"

    @property
    def injection(self) -> str:
        """As strace spells it."""
        if self.what == "SIGKILL":
            deed = "signal=SIGKILL"
        elif self.what.endswith("ms"):
            deed = f"delay_enter={int(self.what[:-2]) * 1000}"
        else:
            deed = f"error={self.what}"
        return f"inject={CALLS[self.call]}:{deed}:when={self.when}"


@dataclass(frozen=True, slots=True)
class Hit:
    """An injected fault that fired: in which call, on which file or files."""

    fault: str
    call: str
    paths: tuple[str, ...]

    @property
    def where(self) -> str:
        """The kind of file, for the tally."""
        return kind_of(self.paths[-1]) if self.paths else "a file"


def kind_of(path: str) -> str:
    """What a path is to us: numbers, temporary names and places left out."""
    parts = Path(path).parts
    name = re.sub(r"^\.(.+)\.[a-z0-9_]{8}$", r"\1", parts[-1])
    if "tiles" in parts:
        return "tiles: checkpoint" if name == "checkpoint" else "tiles"
    if "spool" in parts:
        inside = parts[parts.index("spool") + 1:]
        return f"spool: {inside[0].removeprefix('.').removesuffix('.part')}" if inside else "spool"
    if re.fullmatch(r"[0-9a-f]{16}", name) or name in ("state", "data", ".lineproof", "keys"):
        return "a directory"
    if name.endswith((".pem", ".json", ".secret")) or re.search(r"\.(pem|json|secret)", name):
        return "keys"
    return name


def prefix(strace: str, log: Path, faults: Sequence[Fault]) -> list[str]:
    """The command before a command that runs it with these faults; the started process is the command's own, strace hangs on as its grandchild."""
    return [strace, "-D", *_options(log, faults)]


@contextmanager
def attached(strace: str, pid: int, log: Path, faults: Sequence[Fault]) -> Iterator[None]:
    """Inject into a process that runs, until the block ends."""
    console = log.with_suffix(".console")
    with console.open("wb") as sink:
        tracer = subprocess.Popen([strace, *_options(log, faults), "-p", str(pid)], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
    try:
        deadline = time.monotonic() + ATTACH_SECONDS
        while not _all_traced(pid, tracer.pid):
            if tracer.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"strace did not attach: {console.read_text()}")
            time.sleep(0.01)
        yield
    finally:
        if tracer.poll() is None:
            tracer.send_signal(signal.SIGINT)
        tracer.wait(ATTACH_SECONDS)


def hits(log: Path, faults: Sequence[Fault]) -> list[Hit]:
    """What fired, as strace wrote it down."""
    found = []
    killed = any(fault.what == "SIGKILL" for fault in faults)
    for fault in faults:
        names = {name.removeprefix("?") for name in CALLS[fault.call].split(",")}
        for call, rest in _calls(log):
            if call not in names:
                continue
            delayed = fault.what.endswith("ms") and "(DELAYED)" in rest
            erred = "(INJECTED)" in rest and f" {fault.what} " in rest
            died = fault.what == "SIGKILL" and killed and re.search(r"= \?$", rest) is not None
            if delayed or erred or died:
                found.append(Hit(fault.what, fault.call, tuple(first or second for first, second in _PATH.findall(rest))))
                if died:
                    return found  # the other threads die in whatever call they are in
    return found


def most_calls(log: Path) -> Counter[str]:
    """How often the busiest thread made each call, by our words; of a run without faults."""
    by_thread: Counter[tuple[str, str]] = Counter()
    words = {name.removeprefix("?"): word for word, names in CALLS.items() for name in names.split(",")}
    for line in log.read_text(errors="replace").splitlines():
        found = _LINE.match(line)
        if found and "resumed" not in line.split("(")[0]:
            by_thread[found[1], words.get(found[2], found[2])] += 1
    most: Counter[str] = Counter()
    for (_, word), times in by_thread.items():
        most[word] = max(most[word], times)
    return most


def _options(log: Path, faults: Sequence[Fault]) -> list[str]:
    calls = ",".join(dict.fromkeys(CALLS[fault.call] for fault in faults)) or ",".join(CALLS.values())
    paths = [option for fault in faults for path in fault.paths for option in ("-P", str(path))]
    injections = [option for fault in faults for option in ("-e", fault.injection) if fault.what]
    return ["-f", "-y", "-q", "-s", "0", "-o", str(log), "-e", "signal=none", "-e", f"trace={calls}", *injections, *paths]


def _all_traced(pid: int, tracer: int) -> bool:
    try:
        return all(f"TracerPid:\t{tracer}\n" in (task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir())
    except (FileNotFoundError, ProcessLookupError):  # a thread that ended while we looked
        return False


def _calls(log: Path) -> Iterator[tuple[str, str]]:
    """(call, the rest of its line), with the halves of an interrupted line put together."""
    begun: dict[tuple[str, str], str] = {}
    for line in log.read_text(errors="replace").splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        thread, call, rest = found.groups()
        if rest.endswith("<unfinished ...>"):
            begun[thread, call] = rest.removesuffix("<unfinished ...>")
        else:
            yield call, begun.pop((thread, call), "") + rest
    for (_, call), rest in begun.items():  # it never returned
        yield call, rest + "= ?"
