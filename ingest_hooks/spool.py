"""The local spool: what was emitted and is not yet acknowledged, on disk before `emit` returns.

    <spool>/lock              held (flock) by the one process that writes here
    <spool>/segments/*.seg    records (segment.py), named by the number of their first record
    <spool>/position          number of the last record that is done with (acknowledged or dead)
    <spool>/acks/             acknowledgements, bounded (acks.py)
    <spool>/artifacts/        artifacts waiting for upload, named by their SHA-256
    <spool>/dead/             events that were refused (dead.py)
    <spool>/streams/<n>/      the same again for a second, third, … process that uses this spool at the same time

One spool folder is one stream (LOG: a withheld event shows as a gap). Guarantees: a record that `sync` returned for survives a
crash of the machine, one that `append` returned for survives the death of the process; a torn write is cut off at the next
opening; `read` gives only synced records, in order. POSIX only (flock).
"""
from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ingest_hooks.errors import SpoolFullError, SpoolLockedError
from ingest_hooks.segment import HEADER_BYTES, MAX_CONTENT_BYTES, Kind, Record, StreamHead, encode_header, encode_record, parse_header, scan

__all__ = ["DEFAULT_MAX_BYTES", "Spool"]

logger = logging.getLogger("ingest_hooks")

DEFAULT_MAX_BYTES = 256 * 1024 * 1024  # about 80,000 events of 3 KB: a night without the service
MAX_SEGMENT_BYTES = 8 * 1024 * 1024  # the unit in which space is given back
MIN_SEGMENT_BYTES = 32 * 1024
MAX_STREAMS = 256  # processes that share one spool folder at the same time


@dataclass(slots=True)
class _Segment:
    path: Path
    first: int
    bytes: int


class Spool:
    """One stream folder, locked by this process. Thread-safe; not to be used after a fork (see `abandon`)."""

    def __init__(self, root: Path, directory: Path, lock: int, max_bytes: int) -> None:
        """Use `open`."""
        self.root = root
        self.directory = directory
        self._lock_fd = lock
        self._max_bytes = max_bytes
        self._segment_bytes = max(MIN_SEGMENT_BYTES, min(MAX_SEGMENT_BYTES, max_bytes // 16))
        self._write = threading.Lock()
        self._sync = threading.Lock()
        self._segments: list[_Segment] = []
        self._fd = -1
        self._stored_head = StreamHead.fresh()
        self._next = 1
        self._synced = 0
        self._done = 0
        self._cursor: tuple[Path, int, int] | None = None  # segment, offset and ordinal where the next read begins
        self._artifact_bytes = 0
        self.damaged = 0  # records that cannot be read any more (a failing disk), found while reading
        self.unreadable_through = 0  # number of the last of them
        for name in ("segments", "artifacts"):
            (directory / name).mkdir(exist_ok=True)
        self._recover()

    @classmethod
    def open(cls, root: Path, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Spool:
        """The spool at `root`, or the first free stream folder in it when another process holds it.

        Raises:
            SpoolLockedError: more than MAX_STREAMS processes share the folder.
            OSError: the folder cannot be made or written.
        """
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for slot in range(MAX_STREAMS):
            directory = root if slot == 0 else root / "streams" / str(slot)
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = _try_lock(directory)
            if lock is not None:
                return cls._locked(root, directory, lock, max_bytes)
        raise SpoolLockedError(f"{MAX_STREAMS} processes already share the spool {root}")

    @classmethod
    def _locked(cls, root: Path, directory: Path, lock: int, max_bytes: int) -> Spool:
        try:
            return cls(root, directory, lock, max_bytes)
        except BaseException:
            os.close(lock)
            raise

    def orphans(self) -> Iterator[Spool]:
        """Stream folders with waiting records whose process is gone; each one yielded is locked and must be closed."""
        folders = [self.root, *sorted((self.root / "streams").glob("*"))]
        for directory in folders:
            if directory == self.directory or not _looks_pending(directory):
                continue
            lock = _try_lock(directory)
            if lock is None:
                continue
            spool = self._locked(self.root, directory, lock, self._max_bytes)
            if spool.pending:
                yield spool
            else:
                spool.close()

    # ---- facts

    @property
    def head(self) -> StreamHead:
        """Head of the stream as stored: what the next event has to follow."""
        return self._stored_head

    @property
    def last(self) -> int:
        """Number of the last record."""
        return self._next - 1

    @property
    def done(self) -> int:
        """Number of the last record that is done with, all before it included."""
        return self._done

    @property
    def pending(self) -> int:
        """Records not yet done with."""
        return self.last - self._done

    @property
    def readable(self) -> int:
        """Number of the last record that `read` may give."""
        return self._synced

    @property
    def artifacts(self) -> Path:
        return self.directory / "artifacts"

    @property
    def size(self) -> int:
        """Bytes on disk: segments and waiting artifacts."""
        return sum(segment.bytes for segment in self._segments) + self._artifact_bytes

    # ---- writing

    def append(self, kind: Kind, head: StreamHead, content: bytes) -> int:
        """Write one record behind the others and return its number. For an event, `head` is the stream's head with this event.

        Raises:
            SpoolFullError: no room for it (cap or disk); the spool is as it was before.
        """
        if len(content) > MAX_CONTENT_BYTES:
            raise SpoolFullError(f"a record of {len(content)} bytes, at most {MAX_CONTENT_BYTES}", code="too-large")
        frame = encode_record(kind, head.stream, head.sequence, head.previous, content)
        with self._write:
            self._make_room(len(frame))
            active = self._segments[-1] if self._segments else None
            if active is None or self._fd < 0 or (active.bytes > HEADER_BYTES and active.bytes + len(frame) > self._segment_bytes):
                self._begin_segment()
                active = self._segments[-1]
            try:
                _write_all(self._fd, frame, active.bytes)
            except OSError as error:
                self._undo(active)
                raise SpoolFullError(f"cannot write {active.path.name}: {error.strerror}") from error
            active.bytes += len(frame)
            number = self._next
            self._next += 1
            self._stored_head = Record(number, kind, head.stream, head.sequence, head.previous, b"").head_after(self._stored_head)
            return number

    def sync(self, number: int) -> None:
        """Return when record `number` is on disk; concurrent callers share one fsync.

        Raises:
            OSError: the disk did not confirm. The records are still handed to `read`, they may not survive a crash of the machine.
        """
        if self._synced >= number:
            return
        with self._sync:
            if self._synced >= number:
                return
            with self._write:
                written, fd = self.last, os.dup(self._fd)
            try:
                os.fdatasync(fd)
            finally:
                self._synced = max(self._synced, written)
                os.close(fd)

    def put_artifact(self, name: str, data: bytes) -> None:
        """Keep an artifact's bytes for upload, complete or not at all.

        Raises:
            SpoolFullError: no room for it.
        """
        target = self.artifacts / name
        if target.exists():
            return
        with self._write:
            self._make_room(len(data))
            temporary = self.artifacts / f".{name}.part"
            try:
                _write_file(temporary, data)
                temporary.rename(target)
                _sync_directory(self.artifacts)
            except OSError as error:
                temporary.unlink(missing_ok=True)
                raise SpoolFullError(f"cannot keep artifact {name}: {error.strerror}") from error
            self._artifact_bytes += len(data)

    def drop_artifact(self, name: str) -> None:
        """Forget an artifact that was uploaded."""
        path = self.artifacts / name
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return
        with self._write:
            self._artifact_bytes -= size

    # ---- reading

    def read(self, after: int, *, max_records: int, max_bytes: int) -> list[Record]:
        """The synced records behind number `after`, in order, as many as fit (at least one, if there is one)."""
        records: list[Record] = []
        size = 0
        for record in self._records(after):
            if records and (len(records) >= max_records or size + len(record.content) > max_bytes):
                break
            records.append(record)
            size += len(record.content)
        return records

    def acknowledge(self, number: int) -> None:
        """Records up to `number` are done with; whole segments of them are deleted.

        Raises:
            OSError: the position could not be stored; after a restart the records are sent again and found to be duplicates.
        """
        with self._write:
            if self._lock_fd < 0:  # closed under a sender that came too late: the folder may have a new owner
                return
            self._done = max(self._done, min(number, self.last))
            while len(self._segments) > 1 and self._segments[1].first <= self._done + 1:
                self._segments.pop(0).path.unlink(missing_ok=True)
            done = self._done
        temporary = self.directory / ".position.part"
        _write_file(temporary, f"{done}\n".encode())
        temporary.rename(self.directory / "position")

    # ---- ends

    def close(self, head: StreamHead | None = None) -> None:
        """Release the folder. `head` is kept if it went past the stored one (dropped events stay visible as a gap)."""
        with self._sync, self._write:
            if head is not None and head != self._stored_head and self._lock_fd >= 0:
                self._stored_head = head
                try:
                    self._begin_segment()
                except SpoolFullError as error:
                    logger.warning("the gap behind sequence %d is not kept: %s", head.sequence, error)
            self._close_files()

    def abandon(self) -> None:
        """In a forked child: let go of the parent's files without touching what they hold."""
        self._write, self._sync = threading.Lock(), threading.Lock()
        self._close_files()

    def _close_files(self) -> None:
        for fd in (self._fd, self._lock_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._lock_fd = -1

    # ---- inside

    def _make_room(self, needed: int) -> None:
        """With the write lock held: refuse what would go over the cap, after giving back what is done with."""
        if self.size + needed <= self._max_bytes:
            return
        if self.pending == 0 and self._segments and self._segments[-1].bytes > HEADER_BYTES:
            self._begin_segment()
            for segment in self._segments[:-1]:
                segment.path.unlink(missing_ok=True)
            del self._segments[:-1]
        if self.size + needed > self._max_bytes:
            raise SpoolFullError(f"the spool holds {self.size} of {self._max_bytes} bytes")

    def _begin_segment(self) -> None:
        path = self.directory / "segments" / f"{self._next:020d}.seg"
        fd = -1
        try:
            if self._fd >= 0:
                os.fdatasync(self._fd)  # `sync` only looks at the newest segment
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            _write_all(fd, encode_header(self._next, self._stored_head), 0)
            os.fdatasync(fd)
            _sync_directory(path.parent)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
                path.unlink(missing_ok=True)
            raise SpoolFullError(f"cannot begin {path.name}: {error.strerror}") from error
        if self._fd >= 0:
            os.close(self._fd)
        if self._segments and self._segments[-1].path == path:  # an empty segment begun anew
            self._segments.pop()
        self._fd = fd
        self._segments.append(_Segment(path, self._next, HEADER_BYTES))

    def _undo(self, active: _Segment) -> None:
        """After a failed write: cut off what was written of the record, or begin a new segment next time."""
        try:
            os.ftruncate(self._fd, active.bytes)
        except OSError:
            os.close(self._fd)
            self._fd = -1

    def _recover(self) -> None:
        """Find the last whole record, cut off what a crash left behind it, and the position."""
        for stray in (*self.directory.glob(".*.part"), *self.artifacts.glob(".*.part")):
            stray.unlink(missing_ok=True)
        self._artifact_bytes = sum(path.stat().st_size for path in self.artifacts.iterdir())
        self._done = _read_position(self.directory / "position")
        for path in sorted((self.directory / "segments").glob("*.seg")):
            with path.open("rb") as file:
                header = parse_header(file.read(HEADER_BYTES))
            if header is None:  # a crash between creating the file and writing its header: nothing was ever in it
                path.unlink()
                continue
            self._segments.append(_Segment(path, header[0], path.stat().st_size))
        if not self._segments:
            self._next = self._done + 1
        else:
            self._recover_last(self._segments[-1])
            if self._done > self.last:
                self._part_from_damage()
        self._done = max(min(self._done, self.last), self._segments[0].first - 1 if self._segments else 0)
        self._synced = self.last

    def _recover_last(self, last: _Segment) -> None:
        data = last.path.read_bytes()
        header = parse_header(data)
        if header is not None:
            self._stored_head = header[1]
        end, ordinal = HEADER_BYTES, last.first
        for record, behind in scan(data, HEADER_BYTES, last.first):
            self._stored_head = record.head_after(self._stored_head)
            end, ordinal = behind, record.ordinal + 1
        self._fd = os.open(last.path, os.O_RDWR | os.O_CLOEXEC)
        if end < len(data):
            logger.warning("spool %s: cut off %d bytes of a torn record; they are kept in dead/", last.path.name, len(data) - end)
            self._keep_damage(f"{last.path.name}.torn", data[end:])
            os.ftruncate(self._fd, end)
        os.fdatasync(self._fd)
        last.bytes = end
        self._next = ordinal

    def _part_from_damage(self) -> None:
        """Records that were sent can no longer be read, so the head is not known: nobody may take their numbers a second time."""
        logger.error("spool %s lost %d records that were sent already; a new stream begins", self.directory, self._done - self.last)
        self._next = self._done + 1
        self._stored_head = StreamHead.fresh()
        self._begin_segment()

    def _records(self, after: int) -> Iterator[Record]:
        with self._write:
            segments, synced = list(self._segments), self._synced
        for index, segment in enumerate(segments):
            following = segments[index + 1].first if index + 1 < len(segments) else synced + 1
            if following <= after + 1:
                continue
            offset, ordinal = HEADER_BYTES, segment.first
            if self._cursor is not None and self._cursor[0] == segment.path and self._cursor[2] <= after + 1:
                _, offset, ordinal = self._cursor
            try:
                with segment.path.open("rb") as file:
                    file.seek(offset)
                    data = file.read()
            except FileNotFoundError:  # somebody tidied up in here: counted as damage below
                data = b""
            for record, end in scan(data, 0, ordinal):
                if record.ordinal > synced:
                    return
                ordinal = record.ordinal + 1
                if record.ordinal <= after:
                    self._cursor = (segment.path, offset + end, ordinal)
                    continue
                yield record
            if ordinal < following:
                self._report_damage(segment, following - 1, following - ordinal)

    def _report_damage(self, segment: _Segment, through: int, lost: int) -> None:
        if through <= self.unreadable_through:
            return
        logger.error("spool %s is damaged: %d records cannot be read; the file is kept in dead/", segment.path.name, lost)
        self.damaged += lost
        self.unreadable_through = through
        if segment.path.exists():
            self._keep_damage(segment.path.name, segment.path.read_bytes())

    def _keep_damage(self, name: str, data: bytes) -> None:
        dead = self.root / "dead"
        dead.mkdir(exist_ok=True)
        (dead / name).write_bytes(data)


def _looks_pending(directory: Path) -> bool:
    return any((directory / "segments").glob("*.seg"))


def _try_lock(directory: Path) -> int | None:
    fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    except OSError:
        os.close(fd)
        raise
    return fd


def _read_position(path: Path) -> int:
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return 0
    return int(text) if text.isdecimal() else 0  # damaged: send again, the service finds the duplicates


def _write_all(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        offset += written
        view = view[written:]


def _write_file(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write_all(fd, data, 0)
        os.fdatasync(fd)
    finally:
        os.close(fd)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
