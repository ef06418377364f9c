"""Readers that a pull request mends together with what they read."""
from __future__ import annotations

from typing import Any

from metadata_service.gate.mended import mended
from metadata_service.gate.schemas import Change, Schemas, Table

READS: dict[str, dict[str, frozenset[str]]] = {"w.m.still": {"w.m.src": frozenset({"a", "b"})}, "w.m.other": {"w.m.src": frozenset({"b"})}, "w.m.away": {}}


def project(*names: str) -> Schemas:
    known = {name: Table(name, {}, True, reads=READS[name]) for name in names if name in READS}
    return Schemas(known | {name: Table(name, {}, False) for name in names if name not in READS})


def impact(*readers: tuple[str, int]) -> dict[str, Any]:
    return {"affected": [{"kind": "DATASET", "urn": f"urn:lineproof:dataset:n:{name}", "distance": distance} for name, distance in readers]}


def test_readers_whose_new_code_reads_it_no_more_or_that_are_gone_are_mended() -> None:
    direct = ("w.m.still", "w.m.other", "w.m.away", "w.m.opaque", "w.m.deleted", "elsewhere")
    found = impact(*((name, 1) for name in direct), ("w.m.behind", 2))
    base, head = project(*direct[:5], "w.m.behind"), project(*direct[:4])
    assert set(mended(Change("drop-column", "W.M.Src", "A"), found, base, head).values()) == {"w.m.other", "w.m.away", "w.m.deleted"}
    assert set(mended(Change("drop-dataset", "w.m.src"), found, base, head).values()) == {"w.m.away", "w.m.deleted"}
    assert mended(Change("drop-column", "w.m.src", "a"), impact(("w.m.still", 1)), base, base) == {}


def test_a_reader_outside_the_grants_is_not_called_mended() -> None:
    assert mended(Change("drop-column", "w.m.src", "a"), {"affected": [{"kind": "DATASET", "urn": None, "distance": 1}]}, project(), project()) == {}
