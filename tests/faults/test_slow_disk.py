"""A disk that takes its time to flush, under eight writers."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.injection import Fault, attached, hits
from tests.faults.stand import stand
from tests.faults.tally import TALLY

pytestmark = pytest.mark.slow

ROUNDS = 3  # of eight writers, who share a flush


def test_slow_flushes_delay_answers_and_change_none(strace: str, tmp_path: Path) -> None:
    faults = [Fault("fdatasync", "150ms", "1+"), Fault("fsync", "50ms", "1+")]
    with stand(tmp_path, LINEPROOF_PROJECTOR="inline") as one:
        with attached(strace, one.pid, tmp_path / "slow.strace", faults), one.producing():
            while len(one.ledger.told) < ROUNDS * 8 * 4:
                with one.http() as http:  # reading does not wait for the disk's answers to writers
                    assert http.get("/readyz").status_code == 200
        fired = hits(tmp_path / "slow.strace", faults)
        assert {hit.call for hit in fired} == {"fdatasync", "fsync"}
        TALLY.injected["slow flush"] += len(fired)
        assert one.ledger.refused == {}
        one.judge()
