"""The verdict for machines: SARIF for code scanning, JUnit for the test report of a CI system."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote
from xml.etree import ElementTree

from metadata_service.gate.verdict import Checked, FailOn, breaking, fails, possible, things

__all__ = ["junit", "sarif"]

SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
RULES: Final = {"drop-dataset": "A table goes away", "drop-column": "A column goes away", "retype-column": "A column gets another type",
                "change-nullability": "A column begins or ceases to hold nulls", "change-values": "The same column, with another meaning",
                "not-followed": "A statement that cannot be followed"}
MAX_NAMED: Final = 10  # in a message
MAX_PLACES: Final = 100  # related locations of one result


def sarif(checked: Sequence[Checked], version: str, elsewhere: str) -> str:
    """SARIF 2.1.0: a result per change at the file it is made in, or `elsewhere` (code scanning takes none without a place); error if it breaks something,
    warning if it may, else note."""
    results = [_result(each, elsewhere) for each in checked]
    driver = {"name": "lineproof", "version": version,
              "rules": [{"id": rule, "name": rule.title().replace("-", ""), "shortDescription": {"text": text}} for rule, text in RULES.items()]}
    document = {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def junit(checked: Sequence[Checked], policy: FailOn) -> str:
    """A test case per change, failed where the policy keeps it out."""
    failed = sum(fails(each, policy) for each in checked)
    counts = {"tests": str(len(checked)), "failures": str(failed), "errors": "0", "skipped": "0"}
    root = ElementTree.Element("testsuites", {"name": "lineproof", **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": "lineproof ci gate", **counts})
    for each in checked:
        named = f"{each.change.kind} {each.change.column or ''}".strip()
        case = ElementTree.SubElement(suite, "testcase", {"classname": _printable(each.change.table), "name": _printable(named)})
        if each.change.file is not None:
            case.set("file", _printable(each.change.file))
        text = _printable("\n".join([_message(each), *(f"{item['severity'].lower()}: {_named(item)}" for item in things(each))]))
        if fails(each, policy):
            ElementTree.SubElement(case, "failure", {"message": _printable(_message(each)), "type": each.change.kind}).text = text
        else:
            ElementTree.SubElement(case, "system-out").text = text
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _result(checked: Checked, elsewhere: str) -> dict[str, Any]:
    change = checked.change
    level = "error" if breaking([checked]) else "warning" if possible([checked]) else "note"
    fingerprint = hashlib.sha256(f"{change.kind}\n{change.name or change.detail}".encode()).hexdigest()[:32]  # the same wherever the change moves to
    found: dict[str, Any] = {"ruleId": change.kind, "ruleIndex": list(RULES).index(change.kind), "level": level, "message": {"text": _message(checked)},
                             "locations": [_place(change.file or elsewhere, change.line)], "partialFingerprints": {"lineproofChange/v1": fingerprint}}
    related = {(edge["file"], edge["line"]) for edge in (checked.impact or {}).get("edges", ()) if edge["file"] and edge["line"]}
    if related:
        found["relatedLocations"] = [_place(file, line) for file, line in sorted(related)[:MAX_PLACES]]
    return found


def _place(file: str, line: int | None) -> dict[str, Any]:
    path = PurePath(file)
    return {"physicalLocation": {"artifactLocation": {"uri": path.as_uri() if path.is_absolute() else quote(path.as_posix())},
                                 "region": {"startLine": line or 1}}}


def _message(checked: Checked) -> str:
    change = checked.change
    detail = f" ({change.told})" if change.told else ""
    if checked.impact is None:
        return f"{change.kind} {change.name}{detail}: unknown, {checked.why or 'nothing is recorded about it'}"
    owners = sorted({owner for item in things(checked) for owner in item["owners"]})
    broken = [_named(item) for item in things(checked) if item["severity"] == "BREAKING"]
    mended = f"; no longer read by {', '.join(checked.mended[:MAX_NAMED])}" if checked.mended else ""
    return (f"{change.kind} {change.name}{detail}{mended}: {breaking([checked])} breaking, {possible([checked])} possible"
            + (f". Breaks {', '.join(broken[:MAX_NAMED])}{', …' if len(broken) > MAX_NAMED else ''}" if broken else "")
            + (f". Owners: {', '.join(owners)}" if owners else ""))


def _named(item: dict[str, Any]) -> str:
    live = "".join(f", live in {each['environment'] or '?'}" for each in item["deployments"])
    return f"{item['kind'].lower().replace('_', ' ')} {item['name'] or 'outside your grants'}{live}"


def _printable(text: str) -> str:
    """XML has no control characters, not even escaped ones."""
    return "".join(each if each in "\n\t" or (each.isprintable() or each == " ") else "�" for each in text)
