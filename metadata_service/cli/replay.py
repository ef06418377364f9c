"""Asking the question of an evidence bundle again: of the entries it shows (level `derived`), or of the whole log (level `complete`).

The entries are projected into a graph of their own, in a temporary directory, up to the position the answer was computed at, and the same
GraphQL document is run there by somebody who sees everything. What is said must be what was answered, word for word; left out of
the comparison are only positions of checkpoints and cursors, which say nothing about the data, and proofs, which are checked for themselves.
Counts of what an answer stops short of may be larger than the entries of a bundle show, which touch only what it names; the whole log shows them all.
"""
from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lineproof_audit.bundle import Bundle
from lineproof_audit.checkpoint import Checkpoint
from lineproof_audit.errors import AuditError, CorruptLog
from lineproof_audit.export import ExportSource, import_log
from lineproof_audit.folder import open_folder
from lineproof_audit.fsck import fsck
from lineproof_audit.fsck_open import opened_for_fsck
from lineproof_audit.fsck_store import StoreSource
from lineproof_audit.keyring import Keyring
from lineproof_audit.log import open_store
from lineproof_audit.reader import LogReader
from lineproof_audit.shown_log import shown_log
from lineproof_audit.trust import Trust
from lineproof_schema.errors import LineproofError
from metadata_service.api.graphql.schema import Caller, execute
from metadata_service.cli.asking import follow_pages
from metadata_service.cli.output import counted
from metadata_service.graph.open import open_graph
from metadata_service.projector.rebuild import rebuild
from metadata_service.queries.context import EVERYTHING, Room

__all__ = ["Question", "Replay", "question_of", "replayed_from_evidence", "replayed_from_log"]

NOT_COMPARED: Final = frozenset({"coveringCheckpoint", "after", "proof"})
NOW_ONLY: Final = frozenset({"lastSeen", "runs"})  # null in an answer about the past, where the question asked again stands at the end of its log
BEYOND: Final = frozenset({"hiddenUpstream", "hiddenDownstream"})
QUOTE: Final = "snippet"  # lines of an artifact, which is not part of the log; what the log holds is its digest
MAX_DIFFERENCES: Final = 5


@dataclass(frozen=True, slots=True)
class Replay:
    """What asking again showed: why the answer is not given (empty if it is), and what could not be compared."""

    reasons: tuple[str, ...]
    left_open: tuple[str, ...] = ()


@dataclass(slots=True)
class _Uncompared:
    """Places that are left open. `whole`: the whole log was asked, so that nothing lies beyond it."""

    whole: bool
    quotes: int = 0
    beyond: int = 0

    def told(self) -> tuple[str, ...]:
        quotes = f"not compared: {counted(self.quotes, 'quote')} of code, since the log holds the digest of a file, not its text"
        beyond = f"not shown: {counted(self.beyond, 'count')} of what lies beyond the answer, larger than its entries say; --log compares them"
        return tuple(text for count, text in ((self.quotes, quotes), (self.beyond, beyond)) if count)


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked and answered, as the bundle says. `size` and `root` (hex) are the position it was computed at."""

    document: str
    variables: dict[str, Any]
    field: str
    answer: dict[str, Any]
    size: int
    root: str


def question_of(document: Any) -> Question | None:
    """The question of a bundle; None if it is none that can be asked again (`log prove` asks nothing)."""
    query, answer = document.get("query"), document.get("answer")
    if not isinstance(query, dict) or not isinstance(answer, dict) or len(answer) != 1:
        return None
    field, found = next(iter(answer.items()))
    text, variables = query.get("document"), query.get("variables")
    at = found.get("computedAt") if isinstance(found, dict) else None
    if not isinstance(text, str) or not isinstance(variables, dict) or not isinstance(at, dict):
        return None
    size, root = at.get("size"), at.get("rootHash")
    return Question(text, variables, field, answer, size, root) if type(size) is int and isinstance(root, str) else None


async def replayed_from_evidence(question: Question, bundle: Bundle) -> Replay:
    """Whether the entries of the bundle give its answer."""
    if bundle.leaves is None:
        return Replay(("the bundle does not hold all leaves (make it with --with-leaves)",))
    if question.size > len(bundle.leaves):
        return Replay((f"the answer is of size {question.size}, the bundle has {len(bundle.leaves)} leaves",))
    return await _compared(question, shown_log(bundle, question.size), _Uncompared(whole=False))


async def replayed_from_log(question: Question, checkpoint: Checkpoint, target: str, trust: Trust) -> Replay:
    """Whether the whole log at `target` (an export, a data directory, a database) gives the answer.

    The log is checked with `fsck` first and must be the one of the bundle's checkpoint.
    """
    try:
        with _whole(target, trust) as reader:
            if reader.size() < checkpoint.size or reader.root_at(checkpoint.size) != checkpoint.root:
                return Replay((f"the log at {target} is not the one of the checkpoint: it has another tree at size {checkpoint.size}",))
            if question.size > checkpoint.size:
                return Replay((f"the answer is of size {question.size}, which the checkpoint does not cover",))
            return await _compared(question, _UpTo(reader, question.size), _Uncompared(whole=True))
    except AuditError as error:
        return Replay((error.detail,))


class _UpTo(LogReader):
    """The first entries of a log."""

    def __init__(self, reader: LogReader, size: int) -> None:
        super().__init__(reader.store)
        self._size = size

    def size(self) -> int:
        return self._size


@contextmanager
def _whole(target: str, trust: Trust) -> Iterator[LogReader]:
    with opened_for_fsck(target) as sources:
        source = sources[0][1]
        if isinstance(source, StoreSource):
            report = fsck(source, trust=trust)
            if not report.ok:
                raise CorruptLog(f"the log at {target} is not sound: {report.findings[0].detail}")
            yield LogReader(source.store)
            return
        if not isinstance(source, ExportSource):
            raise CorruptLog(f"{target} holds leaves and no bodies: give an export, a data directory or a database")
    with tempfile.TemporaryDirectory(prefix="lineproof-replay-") as scratch:
        store = open_store(scratch)
        try:
            import_log(open_folder(target), store, trust=trust)
            yield LogReader(store)
        finally:
            store.close()


async def _compared(question: Question, reader: LogReader, left_open: _Uncompared) -> Replay:
    with tempfile.TemporaryDirectory(prefix="lineproof-replay-") as scratch:
        graph = open_graph(f"sqlite:///{Path(scratch) / 'graph.db'}")
        try:
            position = await rebuild(reader, graph, question.size)
            if (position.size, position.root) != (question.size, question.root):
                return Replay((f"the answer says it was computed at size {question.size}, root {question.root[:16]}…; the root there is "
                               f"{position.root[:16]}…",))
            keyring = Keyring()
            for entry in reader.control_entries():
                keyring.apply(entry.index, entry.fields, entry.envelope)
            caller = Caller(Room(graph, reader, lambda: keyring, secrets.token_bytes(32)), EVERYTHING)
            body = await execute(caller, question.document, question.variables)
            if body.get("errors"):
                return Replay((f"the question is refused: {body['errors'][0]['message']}",))
            again = body["data"]
            rows = question.answer[question.field].get("rows")
            if isinstance(rows, list) and again.get(question.field, {}).get("after") is not None:
                await follow_pages(lambda document, variables: execute(caller, document, variables), question.document, question.variables,
                                   again[question.field], len(rows))
        except LineproofError as error:
            return Replay((error.detail,))
        finally:
            await graph.close()
    found = list(_differences(question.answer, again, "", left_open))
    more = f" and {len(found) - MAX_DIFFERENCES} more" if len(found) > MAX_DIFFERENCES else ""
    return Replay((f"asked again, the answer differs at {'; '.join(found[:MAX_DIFFERENCES])}{more}",) if found else (), left_open.told())


def _differences(answered: Any, again: Any, where: str, left_open: _Uncompared) -> Iterator[str]:
    """The places where two answers differ; what cannot be compared is counted in `left_open`."""
    if isinstance(answered, dict) and isinstance(again, dict):
        for key in sorted((answered.keys() | again.keys()) - NOT_COMPARED):
            place = f"{where}.{key}" if where else key
            if key in NOW_ONLY and answered.get(key) is None:
                continue
            if key == QUOTE and again.get(key) is None:
                left_open.quotes += answered.get(key) is not None
            elif key in BEYOND and not left_open.whole and _more(answered.get(key), again.get(key)):
                left_open.beyond += 1
            else:
                yield from _differences(answered.get(key), again.get(key), place, left_open)
    elif isinstance(answered, list) and isinstance(again, list):
        if len(answered) != len(again):
            yield f"{where}: {len(answered)} answered, {len(again)} asked again"
        for at, pair in enumerate(zip(answered, again, strict=False)):
            yield from _differences(*pair, f"{where}[{at}]", left_open)
    elif answered != again:
        yield f"{where}: {_short(answered)} answered, {_short(again)} asked again"


def _more(answered: Any, again: Any) -> bool:
    return type(answered) is int and type(again) is int and answered > again


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
