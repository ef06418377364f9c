"""The embedded log under kill -9: what was acknowledged is there afterwards."""
from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lineproof_audit.log import Log
from lineproof_audit.tree import CompactRange, leaf_hash
from tests.log_entries import new_entry

APPEND_FOR_EVER = """
import itertools, sys, threading
from lineproof_audit.log import Log
from tests.log_entries import new_entry

log = Log.open(sys.argv[1], create=True, state_dir=sys.argv[2])
threading.Thread(target=log.integrator.run, args=(threading.Event(), 0.05), daemon=True).start()
for batch in itertools.count(int(sys.argv[3])):
    for future in log.appender.submit_many(new_entry(f"{batch}-{n}") for n in range(40)):
        ack = future.result(30)
        print(ack.index, ack.leaf.hex(), flush=True)
"""


@pytest.mark.parametrize("lines", [1, 333, 1_500])
def test_every_acknowledged_entry_survives_a_kill(tmp_path: Path, lines: int) -> None:
    acknowledged: dict[int, str] = {}
    for start in (0, 100_000):
        process = subprocess.Popen([sys.executable, "-c", APPEND_FOR_EVER, str(tmp_path / "data"), str(tmp_path / "state"), str(start)],
                                   stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])
        assert process.stdout is not None
        read = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        read += process.stdout.readlines()
        process.stdout.close()
        assert process.wait(30) == -signal.SIGKILL
        for line in read:
            if line.endswith("\n"):  # the last one may be cut
                index, leaf = line.split()
                assert int(index) not in acknowledged
                acknowledged[int(index)] = leaf
    with Log.open(tmp_path / "data", state_dir=tmp_path / "state") as log:
        tree = CompactRange()
        for index, entry in enumerate(log.reader.entries()):
            assert entry.index == index
            tree.append(leaf_hash(entry.leaf))
            if index in acknowledged:
                assert entry.leaf.hex() == acknowledged.pop(index)
        assert acknowledged == {}
        assert log.store.head().tree == tree
        log.integrator.step()
        assert log.reader.root_at(tree.size) == tree.root()
        assert log.appender.submit(new_entry("0-0")).result(30).duplicate
