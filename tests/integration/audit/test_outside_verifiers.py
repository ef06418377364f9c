"""Programs that others wrote agree with ours: golang.org/x/mod/sumdb/{tlog,note}, transparency-dev/merkle, Tessera's client and fsck (tests/outside)."""
from __future__ import annotations

import json
import shutil
import subprocess
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineproof_audit.checkpoint import open_checkpoint, parse_tlog_proof, peek_checkpoint
from lineproof_audit.errors import InvalidProof
from lineproof_audit.folder import open_folder
from lineproof_audit.log import Log
from lineproof_audit.note import NoteVerifier, parse_vkey
from lineproof_audit.tree import (
    CompactRange,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    new_nodes,
    root_from_nodes,
    verify_consistency,
    verify_inclusion,
)
from tests.big_log import grow, reference_tiles
from tests.serve_process import Serving, environment, serving
from tests.service_world import openlineage_run

WRITTEN_SIZES = [0, 1, 2, 255, 256, 257, 1_000]
LARGEST = 5_000


def run(program: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def vkey_of(data: Path) -> str:
    with Log.open(data, readonly=True) as log:
        return NoteVerifier(log.origin, log.keyring.keys_for("log")[0]).vkey


def covered(service: Serving, size: int) -> str:
    """The checkpoint of `size`, once it is published."""
    with service.client() as client:
        for _ in range(600):
            answer = client.get("/api/v1/log/checkpoint")
            if answer.status_code == 200 and peek_checkpoint(answer.text).size == size:
                return answer.text
            time.sleep(0.05)
    raise AssertionError(f"no checkpoint of size {size}")


def test_a_log_that_is_being_written_is_read_proven_and_checked_over_loopback(outside: str, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with serving(tmp_path, env={"LINEPROOF_PROJECTOR": "off"}) as service:
        size = 2
        for count in (1, 2, 250, 1, 300):
            with service.client() as client:
                answer = client.post("/api/v1/lineage/batch", json=[openlineage_run(f"job {number}") for number in range(count)])
            assert answer.json()["summary"]["successful"] == count
            size += count
            (tmp_path / "checkpoints" / str(size)).write_text(covered(service, size))
        report = run(outside, "read", "-url", f"{service.url}/api/v1/log/", "-vkey", vkey_of(tmp_path / ".lineproof"), "-checkpoints",
                     str(tmp_path / "checkpoints"))
    assert report == {"size": 556, "inclusion": 556, "served": 556, "consistency": 5 * 6 // 2 + 5, "fsck": True}


def test_a_log_of_70_000_entries_is_read_proven_and_checked_over_loopback(outside: str, tmp_path: Path) -> None:
    data = tmp_path / ".lineproof"
    (tmp_path / "checkpoints").mkdir()
    with Log.open(data, create=True, state_dir=environment(tmp_path)["LINEPROOF_STATE_DIR"]) as log:
        for size in (255, 256, 257, 65_536, 70_000):
            grow(log.store, size)
            log.integrator.step()
            (tmp_path / "checkpoints" / str(size)).write_text(log.reader.checkpoint() or "")
    with serving(tmp_path, env={"LINEPROOF_PROJECTOR": "off"}) as service:
        report = run(outside, "read", "-url", f"{service.url}/api/v1/log/", "-vkey", vkey_of(data), "-checkpoints", str(tmp_path / "checkpoints"),
                     "-all", "700")
    assert report == {"size": 70_000, "inclusion": 694, "served": 694, "consistency": 20, "fsck": True}
    assert run(outside, "fsck", "-dir", str(data / "tiles"), "-vkey", vkey_of(data))["fsck"]


def test_they_find_what_was_changed_in_a_folder(outside: str, tmp_path: Path) -> None:
    with Log.open(tmp_path / "data", create=True, state_dir=tmp_path / "state") as log:
        grow(log.store, 300)
        log.integrator.step()
    vkey = vkey_of(tmp_path / "data")
    arguments = [outside, "fsck", "-dir", str(tmp_path / "tiles"), "-vkey", vkey]
    for name in (None, "checkpoint", "tile/0/000", "tile/1/000.p/1", "tile/entries/001.p/44"):
        shutil.rmtree(tmp_path / "tiles", ignore_errors=True)
        shutil.copytree(tmp_path / "data" / "tiles", tmp_path / "tiles")
        if name is not None:
            raw = bytearray((tmp_path / "tiles" / name).read_bytes())
            raw[len(raw) // 2] ^= 1
            (tmp_path / "tiles" / name).write_bytes(raw)
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode == 0) == (name is None), (name, done.stderr)


def test_ours_accept_what_go_writes(outside: str, tmp_path: Path) -> None:
    written = run(outside, "write", "-dir", str(tmp_path), "-sizes", ",".join(map(str, WRITTEN_SIZES)))
    log = parse_vkey(written["vkey"])
    assert log.vkey == written["vkey"]
    heads = {int(path.name): open_checkpoint(path.read_text(), log) for path in (tmp_path / "checkpoints").iterdir()}
    leaves = [b"entry %d" % number for number in range(max(WRITTEN_SIZES))]
    tree = CompactRange()
    for size in WRITTEN_SIZES:
        for leaf in leaves[tree.size:size]:
            tree.append(leaf_hash(leaf))
        assert (heads[size].origin, heads[size].size, heads[size].root) == (log.name, size, tree.root())
    proofs = list((tmp_path / "proofs").iterdir())
    for path in proofs:
        proof = parse_tlog_proof(path.read_text())
        assert proof.to_text() == path.read_text()
        assert f"{proof.index}-{proof.verify(leaf_hash(leaves[proof.index]), log).size}" == path.name
        with pytest.raises(InvalidProof):
            proof.verify(leaf_hash(b"entry"), log)
    consistency = list((tmp_path / "consistency").iterdir())
    for path in consistency:
        first, second = (heads[int(part)] for part in path.name.split("-"))
        verify_consistency(first.size, second.size, first.root, second.root, [b64decode(line) for line in path.read_text().split()])
    assert (len(proofs), len(consistency)) == (15, 15)
    folder = open_folder(tmp_path / "log")
    assert {name: folder.read(name) for name in folder.names("tile")} == reference_tiles(leaves)


class Oracle:
    """The program's answers, one at a time."""

    def __init__(self, program: str) -> None:
        self.process = subprocess.Popen([program, "answer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def __call__(self, ask: str, **question: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"ask": ask, **question}) + "\n")
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def hashes(self, ask: str, **question: Any) -> list[bytes]:
        return [b64decode(item) for item in self(ask, **question)["hashes"]]


@pytest.fixture(scope="module")
def oracle(outside: str) -> Iterator[Oracle]:
    answering = Oracle(outside)
    yield answering
    answering.process.communicate()
    assert answering.process.returncode == 0


LEAVES = [leaf_hash(b"%d" % number) for number in range(LARGEST)]
NODES = {(level, index): digest for level, index, digest in new_nodes(CompactRange(), LEAVES)}


def node(level: int, index: int) -> bytes:
    return NODES[level, index]


def text(raw: bytes) -> str:
    return b64encode(raw).decode()


def accepts(verify: Any, *arguments: object) -> bool:
    try:
        verify(*arguments)
    except InvalidProof:
        return False
    return True


def test_roots_and_every_proof_up_to_70_are_those_of_go(oracle: Oracle) -> None:
    for size in range(71):
        assert oracle.hashes("root", size=size) == [root_from_nodes(size, node)]
        for index in range(size):
            assert oracle.hashes("inclusion", index=index, size=size) == inclusion_proof(index, size, node)
            assert oracle.hashes("consistency", old=index + 1, size=size) == consistency_proof(index + 1, size, node)


@given(st.data())
def test_roots_and_proofs_of_larger_trees_are_those_of_go(oracle: Oracle, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, LARGEST))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    assert oracle.hashes("root", size=size) == [root_from_nodes(size, node)]
    assert oracle.hashes("inclusion", index=index, size=size) == inclusion_proof(index, size, node)
    assert oracle.hashes("consistency", old=old, size=size) == consistency_proof(old, size, node)


def changed(draw: Any, proof: Sequence[bytes]) -> list[bytes]:
    """The proof, or one near to it."""
    how = draw(st.sampled_from(["as it is", "flip", "drop", "add", "swap"]))
    found = list(proof)
    at = draw(st.integers(0, max(0, len(found) - 1)))
    if how == "flip" and found:
        found[at] = bytes([found[at][0] ^ 1]) + found[at][1:]
    elif how == "drop" and found:
        del found[at]
    elif how == "add":
        found.insert(at, LEAVES[0])
    elif how == "swap" and len(found) > 1:
        found[at], found[at - 1] = found[at - 1], found[at]
    return found


@given(st.data())
def test_a_proof_is_accepted_by_ours_exactly_if_by_theirs(oracle: Oracle, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    asked = data.draw(st.integers(0, size + 2))
    claimed = max(0, size + data.draw(st.sampled_from([0, 0, 0, -1, 1])))
    proof = changed(data.draw, inclusion_proof(index, size, node))
    said = oracle("verify-inclusion", index=asked, size=claimed, leaf=text(LEAVES[index]), root=text(root_from_nodes(size, node)), proof=list(map(text, proof)))
    assert accepts(verify_inclusion, LEAVES[index], asked, claimed, proof, root_from_nodes(size, node)) == said["merkle"] == said["tlog"]
    before = max(1, old + data.draw(st.sampled_from([0, 0, 0, -1, 1])))
    proof = changed(data.draw, consistency_proof(old, size, node))
    roots = root_from_nodes(old, node), root_from_nodes(size, node)
    said = oracle("verify-consistency", old=before, size=claimed, root1=text(roots[0]), root=text(roots[1]), proof=list(map(text, proof)))
    assert accepts(verify_consistency, before, claimed, *roots, proof) == said["merkle"] == said["tlog"]
