"""An audit trail for other programs: CSV with a line per change, and OCSF events for a SIEM.

CSV is RFC 4180, safe to open in a spreadsheet: a cell that would be run as a formula gets a leading apostrophe.

OCSF: class Entity Management (3004) of OCSF 1.8.0, one event per entry and entity. A trail knows that an entity changed and what a fact
was before and is after, which is what that class is for; API Activity (6003) would speak of our HTTP requests, which an entry that was spooled
for a week never saw. Whether an update created the entity is not in a row, so the activity Create is not used. What OCSF has no attribute
for (signature, key state, proof, lineage) stands in `unmapped`.
"""
from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from importlib.metadata import version
from io import StringIO
from typing import Any, Final

from lineproof_schema.urn import parse_urn

__all__ = ["CSV_COLUMNS", "OCSF_VERSION", "csv_lines", "ocsf_lines"]

Row = dict[str, Any]

CSV_COLUMNS: Final = ("index", "loggedAt", "claimedAt", "eventType", "urn", "role", "status", "reason", "actor", "caller", "commit", "signer", "signedBy",
                      "key", "keyState", "keyLastValid", "eventId", "change", "before", "after", "proofSize", "proof")
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
OCSF_VERSION: Final = "1.8.0"
CLASS, CATEGORY = 3004, 3
UPDATE, DELETE, OTHER = (3, "Update"), (4, "Delete"), (99, "Other")
STATUS: Final = {"applied": (1, "Success"), "partial": (99, "partial"), "ignored": (99, "ignored"), "rejected": (2, "Failure")}


def csv_lines(rows: Iterable[Row]) -> Iterator[str]:
    """The header and one line per change; an entry that changed nothing of an entity has one line too."""
    yield _line(CSV_COLUMNS)
    for row in rows:
        for change, before, after in _changes(row) or [("", None, None)]:
            yield _line([row["index"], row["loggedAt"], row["claimedAt"], row["eventType"], row["urn"], row["role"], row["status"], row["reason"], row["actor"],
                         row["caller"], row["commit"] and row["commit"]["sha"], row["signer"], row["signedBy"], row["key"]["label"], row["key"]["state"],
                         row["key"]["lastValid"], row["eventId"], change, before, after, row["proof"]["size"], row["proof"]["path"]])


def _changes(row: Row) -> list[tuple[str, Any, Any]]:
    facts = [(change["fact"], change["before"], change["after"]) for change in row["changes"]]
    lineage = [(f"derivedFrom {edge['urn'] or '(restricted)'}", *(("said", None) if edge["action"] == "CLOSED" else (None, edge["expression"] or "said")))
               for edge in row["edges"]]
    return facts + lineage


def _line(cells: Sequence[Any]) -> str:
    text = StringIO()
    csv.writer(text).writerow([_cell(cell) for cell in cells])
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return f"'{text}" if text.startswith(FORMULA) else text


def ocsf_lines(rows: Iterable[Row], origin: str | None) -> Iterator[str]:
    """One JSON line per entry and entity; an entry that concerns no entity is about the log itself."""
    product = {"name": "Lineproof", "vendor_name": "Lineproof", "version": version("lineproof")}
    for row in rows:
        yield json.dumps(_event(row, origin or "", product), ensure_ascii=False) + "\n"


def _event(row: Row, origin: str, product: Row) -> Row:
    activity, activity_name = _activity(row)
    status_id, status = STATUS.get(row["status"], (0, "Unknown"))
    entity = _entity(row["urn"], origin)
    before, after = ({change["fact"]: change[when] for change in row["changes"] if change[when] is not None} for when in ("before", "after"))
    metadata = {"version": OCSF_VERSION, "product": product, "log_name": origin, "sequence": row["index"], "event_code": row["eventType"],
                "uid": f"{origin}#{row['index']} {row['urn'] or ''}".rstrip(), "logged_time": _milliseconds(row["loggedAt"]),
                "original_time": row["claimedAt"], "original_event_uid": row["eventId"]}
    event = {
        "category_uid": CATEGORY, "category_name": "Identity & Access Management", "class_uid": CLASS, "class_name": "Entity Management",
        "activity_id": activity, "activity_name": activity_name, "type_uid": CLASS * 100 + activity, "type_name": f"Entity Management: {activity_name}",
        "severity_id": 1, "severity": "Informational", "status_id": status_id, "status": status, "status_code": row["status"], "status_detail": row["reason"],
        "time": _milliseconds(row["claimedAt"] or row["loggedAt"]), "message": f"{row['eventType']} {row['status']}",
        "actor": {"user": _user(row), "app_uid": row["signer"], "app_name": row["key"]["label"]},
        "entity": entity | ({"data": before} if before else {}), "entity_result": entity | ({"data": after} if after else {}),
        "metadata": _known(metadata),
        "unmapped": {"role": row["role"], "signedBy": row["signedBy"], "key": row["key"], "proof": row["proof"], "edges": row["edges"],
                     "commit": row["commit"] and row["commit"]["sha"]}}
    return _known(event | {"actor": _known(event["actor"])})


def _activity(row: Row) -> tuple[int, str]:
    if row["eventType"] == "lineproof.tombstone.v1":
        return DELETE
    return UPDATE if row["changes"] or row["edges"] or row["status"] == "rejected" else OTHER


def _entity(urn: str | None, origin: str) -> Row:
    if urn is None:
        return {"uid": origin, "name": origin, "type": "log"}
    parsed = parse_urn(urn)
    return {"uid": urn, "name": parsed.name, "type": parsed.kind}


def _user(row: Row) -> Row:
    """Whom the body names, which nobody verified; else the keyed hash of who sent it, else the key that signed."""
    actor = row["actor"]
    if actor:
        return {"name": actor, "uid": actor} | ({"email_addr": actor} if "@" in actor else {})
    return {"uid": row["caller"] or row["signer"]}


def _milliseconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1_000)


def _known(said: Row) -> Row:
    return {name: value for name, value in said.items() if value is not None}
