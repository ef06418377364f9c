"""The gate on schema documents: whatever they say of values is compared, and what only documents them is not."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lineproof_schema.errors import LineproofError
from metadata_service.gate.changes import changes
from metadata_service.gate.read import read_schemas

Document = dict[str, Any]


def told(folder: Path, base: Document, head: Document) -> list[str]:
    for name, document in (("base.json", base), ("head.json", head)):
        (folder / name).write_text(json.dumps(document))
    found = changes(read_schemas(folder / "base.json"), read_schemas(folder / "head.json"))
    return [f"{change.kind} {change.name} {change.detail or ''}".rstrip() for change in found]


def order(said: Document, **more: Any) -> Document:
    return {"title": "order", "type": "object", "properties": {"a": said}, **more}


def definitions(said: Document) -> Document:
    return {"$defs": {"part": said}}


@pytest.mark.parametrize(("before", "after", "told_of_a"), [
    ({"type": "string", "enum": ["x", "y"]}, {"type": "string", "enum": ["y"]}, 'change-values order.a enum ["x", "y"] → enum ["y"]'),
    ({"type": "integer", "minimum": 0}, {"type": "integer"}, "change-values order.a minimum 0 → any value"),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, {"type": "object", "additionalProperties": {"type": "string"}},
     'change-values order.a additionalProperties {"type": "integer"} → additionalProperties {"type": "string"}'),
    ({"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string", "pattern": "^A"}}}},
     {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string", "pattern": "^B"}}}},
     'change-values order.a [].k.pattern "^A" → [].k.pattern "^B"'),
    ({"allOf": [{"type": "integer"}, {"title": "t"}]}, {"allOf": [{"type": "string"}]}, "retype-column order.a integer → string"),
    ({"type": "string", "description": "one", "examples": [1]}, {"type": "string", "title": "two", "default": "x"}, ""),
    ({"type": "string", "enum": ["x", "y"]}, {"type": "string", "enum": ["y", "x"]}, ""),
    ({"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]}, {"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 3}]}, "")])
def test_all_that_a_json_schema_says_of_a_value_is_compared(tmp_path: Path, before: Document, after: Document, told_of_a: str) -> None:
    assert "\n".join(told(tmp_path, order(before), order(after))) == told_of_a


@pytest.mark.parametrize("within", [
    {"$ref": "#/$defs/part"}, {"allOf": [{"$ref": "#/$defs/part"}]}, {"type": "array", "items": {"$ref": "#/$defs/part"}}])
def test_a_property_is_gone_wherever_it_stood(tmp_path: Path, within: Document) -> None:
    part, less = ({"type": "object", "properties": {name: {"type": "string"} for name in names}} for names in ("ab", "a"))
    root = {"title": "order", **within}
    assert told(tmp_path, root | definitions(part), root | definitions(less)) == ["drop-column order.b"]
    nested = order(within)
    assert [each.split(" ")[:2] for each in told(tmp_path, nested | definitions(part), nested | definitions(less))] == [["retype-column", "order.a"]]


def test_what_is_referred_to_by_other_words_counts_too(tmp_path: Path) -> None:
    root = order({"type": "object", "patternProperties": {"^k": {"$ref": "#/$defs/part"}}})
    [found] = told(tmp_path, root | definitions({"type": "integer"}), root | definitions({"type": "string"}))
    assert found.startswith("change-values order.a #/$defs/part")


def test_a_schema_that_refers_to_itself_is_read_once(tmp_path: Path) -> None:
    tree = {"title": "tree", "type": "object", "properties": {side: {"$ref": "#"} for side in ("left", "right")} | {"a": {"type": "integer"}}}
    less = tree | {"properties": {side: {"$ref": "#"} for side in ("left", "right")}}
    assert [each.split(" ")[:2] for each in told(tmp_path, tree, less)] == [
        ["drop-column", "tree.a"], ["retype-column", "tree.left"], ["retype-column", "tree.right"]]


def test_a_named_type_of_avro_is_the_same_wherever_it_is_called(tmp_path: Path) -> None:
    def record(*fields: str) -> Document:
        part = {"type": "record", "name": "part", "fields": [{"name": name, "type": "int"} for name in fields]}
        return {"type": "record", "name": "r", "namespace": "k", "fields": [
            {"name": "a", "type": part}, {"name": "b", "type": ["null", "k.part"]}, {"name": "next", "type": ["null", "r"]}]}

    assert [each.split(" ")[:2] for each in told(tmp_path, record("x", "y"), record("x"))] == [
        ["retype-column", "k.r.a"], ["retype-column", "k.r.b"], ["retype-column", "k.r.next"]]
    assert told(tmp_path, record("x"), record("x")) == []


def test_migrations_go_by_their_numbers_and_never_back(tmp_path: Path) -> None:
    for name, sql in (("V2__more.SQL", "create table t (x int, y int)"), ("V10__less.sql", "alter table t drop column y"),
                      ("V10__less.down.sql", "alter table t add column y int; drop table t")):
        (tmp_path / name).write_text(sql)
    assert list(read_schemas(tmp_path, "postgres").tables["t"].columns) == ["x"]


def test_a_file_of_another_kind_is_refused_by_what_it_should_be(tmp_path: Path) -> None:
    (tmp_path / "order.proto").write_text('syntax = "proto3"; message Order { int32 id = 1; }')
    with pytest.raises(LineproofError, match=r"order.proto is neither SQL \(.sql, .ddl\) nor JSON") as refused:
        read_schemas(tmp_path / "order.proto")
    assert refused.value.code == "invalid-argument"
