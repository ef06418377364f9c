"""Readers that a pull request mends together with what they read."""
from __future__ import annotations

from lineproof_schema.urn import parse_urn
from metadata_service.gate.schemas import Change, Schemas, Table, same_name
from metadata_service.gate.verdict import Impact

__all__ = ["mended"]


def mended(change: Change, impact: Impact, base: Schemas, head: Schemas) -> dict[str, str]:
    """Datasets (URN -> name) that read what the change is about, and in `head` are gone, or have code of which it is known that it does not any more."""
    found: dict[str, str] = {}
    for item in impact["affected"]:
        if item["kind"] != "DATASET" or item["urn"] is None or item["distance"] != 1:
            continue
        name = parse_urn(item["urn"]).components[1]
        after = head.called(name)
        if (after is None and base.called(name) is not None) or (after is not None and _reads_no_more(after, change)):
            found[item["urn"]] = name
    return found


def _reads_no_more(table: Table, change: Change) -> bool:
    if table.reads is None:
        return False
    columns = [columns for name, columns in table.reads.items() if same_name(name, change.table)]
    return not columns if change.column is None else not any(change.column.casefold() in each for each in columns)
