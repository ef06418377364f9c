from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ingest_hooks.acks import Acknowledgement, AcknowledgementLog

FIRST = Acknowledgement(7, "bGVhZg==", "c2FsdA==", False, "stream", 1, "ab" * 32, "cd" * 32)


def test_a_line_that_a_full_disk_tore_does_not_take_the_next_one_along(tmp_path: Path) -> None:
    log = AcknowledgementLog(tmp_path)
    log.add([FIRST])
    (path,) = (tmp_path / "acks").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    second = replace(FIRST, index=8, sequence=2)
    log.add([second])
    assert list(log) == [FIRST, second]
