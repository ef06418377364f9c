"""How checkpoints are gathered cosignatures for: who is waited for, what comes late, and that nobody can hold the log."""
from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lineproof_audit import cosigning
from lineproof_audit.checkpoint import peek_checkpoint
from lineproof_audit.cosigning import Cosigners, quorum_of
from lineproof_audit.errors import TrustFileError
from lineproof_audit.log import Log
from lineproof_audit.note import split_note
from lineproof_audit.tree import consistency_proof
from lineproof_audit.trust import Trust, parse_trust
from lineproof_audit.witness import add_cosignatures, cosigned_by_quorum_at
from tests.unit.audit.memory_log import LOG, ORIGIN, MemoryLog
from tests.unit.audit.test_witness import LOG_LINE, TIME, line, vkey
from tests.witnesses import free_port

LONG = 200.0  # seconds that a test which waits for nothing never takes


class Signing(ThreadingHTTPServer):
    """A witness that cosigns whatever it is sent, once `open` is set."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.open = threading.Event()
        self.open.set()
        self.sent: list[str] = []
        self.changed = threading.Condition()
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def await_requests(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.sent) >= count, 60)


class _Handler(BaseHTTPRequestHandler):
    server: Signing

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        with self.server.changed:
            self.server.sent.append(body)
            self.server.changed.notify_all()
        self.server.open.wait(60)
        answer = line(self.server.name, body.partition("\n\n")[2], time=TIME + len(self.server.sent)).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def witnesses() -> Iterator[list[Signing]]:
    running = [Signing(name) for name in ("w1", "w2", "w3")]
    yield running
    for each in running:
        each.open.set()
        each.shutdown()
        each.server_close()


def trust(*lines: str, threshold: int = 2) -> Trust:
    names = " ".join(each.split()[1] for each in lines)
    return parse_trust("\n".join([LOG_LINE, *lines, f"group g {threshold} {names}", "quorum g", ""]).encode())


def trusting(witnesses: list[Signing], threshold: int = 2) -> Trust:
    return trust(*(f"witness {each.name} {vkey(each.name)} {each.url}" for each in witnesses), threshold=threshold)


def notes(*sizes: int) -> tuple[MemoryLog, list[str]]:
    log, made = MemoryLog(), []
    for size in sizes:
        while len(log.stored) < size:
            log.say("lineproof.dataset.v1", {"n": len(log.stored)})
        made.append(log.sign().note or "")
    return log, made


@pytest.fixture
def gathering() -> Iterator[Callable[..., Cosigners]]:
    made: list[Cosigners] = []

    def make(log: MemoryLog, policy: Trust, **how: float) -> Cosigners:
        made.append(Cosigners(quorum_of(policy, ORIGIN), partial(consistency_proof, node=log.node), **how))
        return made[-1]

    yield make
    for each in made:
        each.close()
        each.close()


def met(note: str, policy: Trust) -> bool:
    assert policy.quorum is not None
    return cosigned_by_quorum_at(note, policy.quorum) is not None


def late(cosigners: Cosigners, count: int) -> list[tuple[int, str]]:
    """Size and witness of the next lines that come late."""
    found: list[tuple[int, str]] = []
    while len(found) < count:
        found += [(peek_checkpoint(f"{each.text}\n— x AAAAAAA=\n").size, each.witness.name) for each in cosigners.late()]
    return found


def test_a_checkpoint_waits_for_its_quorum_and_one_that_is_dead_costs_nothing(witnesses: list[Signing], gathering: Callable[..., Cosigners]) -> None:
    log, (first, second) = notes(3, 9)
    dead = f"witness w9 {vkey('w9')} http://127.0.0.1:{free_port()}"
    policy = trust(*(f"witness {each.name} {vkey(each.name)} {each.url}" for each in witnesses[:2]), dead)
    cosigners = gathering(log, policy, patience=LONG)
    for note in (first, second):
        cosigned = cosigners.cosign(note)
        assert met(cosigned, policy)
        assert split_note(cosigned)[0] == split_note(note)[0]
    assert cosigners.cosigned_size == 9
    assert [(state.name, state.outcome) for state in cosigners.states()] == [("w1", "cosigned"), ("w2", "cosigned"), ("w9", "unreachable")]


def test_without_a_quorum_that_can_come_nobody_waits(witnesses: list[Signing], gathering: Callable[..., Cosigners]) -> None:
    log, (first, second) = notes(3, 9)
    dead = [f"witness {name} {vkey(name)} http://127.0.0.1:{free_port()}" for name in ("w8", "w9")]
    policy = trust(f"witness w1 {vkey('w1')} {witnesses[0].url}", *dead)
    cosigners = gathering(log, policy, patience=LONG)
    for note in (first, second):
        assert not met(cosigners.cosign(note), policy)
    assert cosigners.cosigned_size == 0


def test_a_slow_witness_is_waited_for_once_and_its_line_comes_late(witnesses: list[Signing], gathering: Callable[..., Cosigners]) -> None:
    log, (first, second, third) = notes(3, 9, 12)
    policy = trusting(witnesses[:1], 1)
    witnesses[0].open.clear()
    cosigners = gathering(log, policy, patience=0.2)
    assert not met(cosigners.cosign(first), policy)
    witnesses[0].await_requests(1)
    cosigners._patience = LONG  # from here on a wait would not go unnoticed
    assert not met(cosigners.cosign(second), policy)  # it has not even answered
    witnesses[0].open.set()
    assert late(cosigners, 2) == [(3, "w1"), (9, "w1")]
    assert met(cosigners.cosign(third), policy)  # in time the last time
    assert [body.split("\n")[0] for body in witnesses[0].sent] == ["old 0", "old 3", "old 9"]


def test_a_witness_that_comes_back_cosigns_the_newest_checkpoint(gathering: Callable[..., Cosigners], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosigning, "FIRST_RETRY_SECONDS", 0.02)
    witness = Signing("w1")
    witness.server_close()  # bound once, so that the port is known
    witness.shutdown()
    log, (first, second) = notes(3, 9)
    policy = trusting([witness], 1)
    cosigners = gathering(log, policy, patience=LONG)
    assert cosigners.cosign(first) == first
    assert cosigners.cosign(second) == second

    class Again(Signing):
        def server_bind(self) -> None:
            self.server_address = witness.server_address
            super().server_bind()

    back = Again("w1")
    try:
        assert late(cosigners, 1) == [(9, "w1")]
    finally:
        back.shutdown()
        back.server_close()


def test_an_unchanged_checkpoint_is_cosigned_again_with_a_newer_time(witnesses: list[Signing], gathering: Callable[..., Cosigners]) -> None:
    log, (note,) = notes(5)
    policy = trusting(witnesses[:1], 1)
    cosigners = gathering(log, policy, patience=LONG, refresh=0.05)
    times = [cosigned_by_quorum_at(note := cosigners.cosign(note), policy.quorum)]  # type: ignore[arg-type]
    for _ in range(2):
        witnesses[0].await_requests(len(witnesses[0].sent) + 1)
        cosigners.offer(note)  # the same checkpoint: nothing new is begun
        (newest,) = list(cosigners.late())[-1:] or [None]
        if newest is not None:
            note = add_cosignatures(note, {newest.witness: newest.signature})
            times.append(cosigned_by_quorum_at(note, policy.quorum))  # type: ignore[arg-type]
    assert times == sorted(set(times))
    assert note.count("— w1 ") == 1
    assert {body.split("\n")[0] for body in witnesses[0].sent} == {"old 0", "old 5"}


def test_nothing_is_asked_while_another_process_signs_or_after_the_end(witnesses: list[Signing], gathering: Callable[..., Cosigners]) -> None:
    log, (first, second) = notes(3, 9)
    cosigners = gathering(log, trusting(witnesses[:1], 1), patience=LONG, refresh=0.01)
    cosigners.cosign(first)
    cosigners.close()
    asked = len(witnesses[0].sent)
    assert cosigners.cosign(second) == second
    assert len(witnesses[0].sent) == asked


def test_a_policy_has_to_be_of_the_log_and_to_name_witnesses_that_can_be_asked() -> None:
    reachable, mute = f"witness w1 {vkey('w1')} https://w1.example/x", f"witness w2 {vkey('w2')}"
    quorum_of(trust(reachable, mute, threshold=1), ORIGIN)
    for policy, origin, reason in ((trust(reachable, mute), ORIGIN, "cannot make its quorum"), (trust(reachable, threshold=1), "other", "names no log"),
                                   (parse_trust(f"{LOG_LINE}\n{reachable}\nquorum none\n".encode()), ORIGIN, "asks for no witnesses")):
        with pytest.raises(TrustFileError, match=reason):
            quorum_of(policy, origin)


def test_a_log_opened_with_a_policy_of_another_says_so(tmp_path: Path) -> None:
    (tmp_path / "policy.txt").write_text(f"{LOG_LINE}\nwitness w1 {vkey('w1')} https://w1.example\nquorum w1\n")
    assert LOG.verify_key is not None
    with pytest.raises(TrustFileError, match="names no log"):
        Log.open(tmp_path / "data", create=True, state_dir=tmp_path / "state", witnesses=tmp_path / "policy.txt")


@pytest.mark.parametrize("url", ["ftp://w1.example", "w1.example", "https://name:password@w1.example", "https://w1.example?x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(TrustFileError, match="http or https"):
        trust(f"witness w1 {vkey('w1')} {url}", threshold=1)
