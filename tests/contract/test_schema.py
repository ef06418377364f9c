"""The contract holds: vectors mean what they say, to the models and to the committed JSON Schemas alike."""
from __future__ import annotations

import json
import subprocess
import sys
import uuid
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from lineproof_schema.errors import CODES, LineproofError
from lineproof_schema.models import EVENT_TYPES, FACETS
from lineproof_schema.urn import UrnError, format_urn, holder, kind_of, parse_urn
from lineproof_schema.validate import parse_cloudevent

SCHEMA = files("lineproof_schema")
VECTORS = SCHEMA / "vectors"
ROOT = Path(__file__).resolve().parents[2]


def _load(kind: str) -> list[Any]:
    cases = []
    for path in sorted((VECTORS / kind).iterdir(), key=lambda p: p.name):
        cases += [pytest.param(vector, id=f"{path.name[:-5]}: {vector['name']}") for vector in json.loads(path.read_text())]
    return cases


def _schema(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMA / "events" / f"{name}.json").read_text()), format_checker=FormatChecker())


@pytest.mark.parametrize("vector", _load("valid"))
def test_valid_vector_is_accepted_by_model_and_schema(vector: dict[str, Any]) -> None:
    event, data = parse_cloudevent(json.dumps(vector["event"]).encode())
    assert isinstance(data, EVENT_TYPES[event.type])
    _schema("cloudevent").validate(vector["event"])
    _schema(event.type).validate(vector["event"]["data"])


@pytest.mark.parametrize("vector", _load("invalid"))
def test_invalid_vector_is_refused_with_its_code(vector: dict[str, Any]) -> None:
    with pytest.raises(LineproofError) as caught:
        parse_cloudevent(vector["event"])
    assert caught.value.code == vector["code"]


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_every_event_type_has_schema_and_vectors(name: str) -> None:
    Draft202012Validator.check_schema(json.loads((SCHEMA / "events" / f"{name}.json").read_text()))
    assert json.loads((VECTORS / "valid" / f"{name}.json").read_text())
    assert json.loads((VECTORS / "invalid" / f"{name}.json").read_text())


@pytest.mark.parametrize("name", sorted(FACETS))
def test_every_facet_has_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(json.loads((SCHEMA / "facets" / f"{name}.json").read_text()))


def test_unknown_fields_are_kept() -> None:
    vector = next(v for v in json.loads((VECTORS / "valid" / "lineproof.dataset.v1.json").read_text()) if "kept" in v["name"])
    _, data = parse_cloudevent(vector["event"])
    assert data.model_dump(by_alias=True)["somethingNew"] == {"a": 1}


@pytest.mark.parametrize("vector", json.loads((VECTORS / "urn.json").read_text())["valid"], ids=lambda v: v["urn"])
def test_urn_has_one_spelling(vector: dict[str, Any]) -> None:
    assert format_urn(vector["kind"], *vector["components"]) == vector["urn"]
    assert str(parse_urn(vector["urn"])) == vector["urn"]
    assert list(parse_urn(vector["urn"]).components) == vector["components"]
    assert kind_of(vector["urn"]) == vector["kind"]
    assert holder(vector["urn"]) == (str(parse_urn(vector["urn"]).parent) if vector["kind"] == "column" else vector["urn"])


@pytest.mark.parametrize("text", ["", "run", "run:x", "urn:lineproof:", "urn:lineproof:run", "urn:other:run:x", "x urn:lineproof:run:x"])
def test_what_is_no_urn_names_no_kind(text: str) -> None:
    assert kind_of(text) is None


@pytest.mark.parametrize("vector", json.loads((VECTORS / "urn.json").read_text())["invalid"], ids=lambda v: v["name"])
def test_invalid_urn_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(UrnError) as caught:
        parse_urn(vector["urn"])
    assert caught.value.code == "invalid-urn"


def test_parsed_urns_are_remembered_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered = parse_urn.__self__  # type: ignore[attr-defined]
    monkeypatch.setattr("lineproof_schema.urn.REMEMBERED", len(remembered) + 2)
    short, long, deep = (format_urn("column", "n", uuid.uuid4().hex, *rest) for rest in (["c"], ["c" * 256], ["c"] * 7))
    for text in (short, long, deep):
        assert str(parse_urn(text)) == text
    assert parse_urn(short) is parse_urn(short)
    assert (short in remembered, long in remembered, deep in remembered) == (True, False, False)
    for _ in range(3):
        parse_urn(format_urn("run", str(uuid.uuid4())))
    assert short not in remembered
    assert len(remembered) <= 3


def test_every_code_raised_in_the_code_is_catalogued() -> None:
    import ast

    raised: dict[str, str] = {}
    for package in ("metadata_service", "ingest_hooks", "audit", "schema"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                    raised[node.value.value] = str(path.relative_to(ROOT))
                if isinstance(node, ast.ClassDef):
                    for item in node.body:
                        if (isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name) and item.targets[0].id == "code"
                                and isinstance(item.value, ast.Constant) and isinstance(item.value.value, str)):
                            raised[item.value.value] = str(path.relative_to(ROOT))
    assert "invalid-urn" in raised, "the scan found nothing"
    assert {code: where for code, where in raised.items() if code not in CODES} == {}


def test_generated_files_are_current() -> None:
    done = subprocess.run([sys.executable, "-m", "docs.generate", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
