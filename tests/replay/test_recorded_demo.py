"""A log of the demo, recorded once and kept as data, still means what it meant."""
from __future__ import annotations

import pytest

from lineproof_audit.leaf import body_commitment
from tests.replay.recorded import digest_of, load


def test_recorded_log_is_whole() -> None:
    header, log = load()
    assert log.size() == int(header["size"]) > 100
    assert log.root_at(log.size()).hex() == header["root"]
    for entry in log.entries():
        assert entry.envelope is not None
        assert entry.salt is not None
        assert body_commitment(entry.salt, entry.envelope) == entry.fields.body


@pytest.mark.anyio
async def test_recorded_log_projects_to_the_recorded_digest() -> None:
    header, log = load()
    assert await digest_of(log) == header["digest"]
