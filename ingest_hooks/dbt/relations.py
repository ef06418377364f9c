"""What `ref`, `source` and `adapter` give a template outside dbt: relations that print as dbt rendered them, and the columns that the database has."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, Final

from ingest_hooks.dbt.artifacts import Node

__all__ = ["Columns", "Relation", "database_of", "relation_of"]

Columns = Mapping[str, Mapping[str, str]]  # `database.schema.table` -> column -> type, in order


class Relation(Mapping[str, Any]):
    """A relation; a mapping too, because that is how packages ask what they were given."""

    def __init__(self, text: str, database: str | None, schema: str | None, identifier: str, *, is_cte: bool = False) -> None:
        self.text, self.database, self.schema, self.identifier, self.is_cte = text, database, schema, identifier, is_cte
        self.name = self.table = identifier
        self._said: Final = {"metadata": {"type": "Relation"}, "path": {"database": database, "schema": schema, "identifier": identifier}}

    def __getitem__(self, name: str) -> Any:
        return self._said[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._said)

    def __len__(self) -> int:
        return len(self._said)

    def __str__(self) -> str:
        return self.text


class _Column:
    """A column as macros see it."""

    def __init__(self, name: str, kind: str) -> None:
        self.name = self.column = name
        self.dtype = self.data_type = kind
        self.quoted = f'"{name}"'


def relation_of(node: Node) -> Relation:
    """The relation of a model, seed, snapshot or source."""
    name = str(node.get("identifier") or node.get("alias") or node["name"])
    own = node.get("relation_name")
    return Relation(str(own or f"__dbt__cte__{name}"), node.get("database"), node.get("schema"), name, is_cte=not own)


def database_of(columns: Columns) -> SimpleNamespace:
    """`adapter`, with what it says of the database without asking it."""

    def get_columns_in_relation(relation: Relation) -> list[_Column]:
        return [_Column(name, kind) for name, kind in columns[f"{relation.database}.{relation.schema}.{relation.identifier}"].items()]

    return SimpleNamespace(get_columns_in_relation=get_columns_in_relation, quote=lambda name: f'"{name}"')
