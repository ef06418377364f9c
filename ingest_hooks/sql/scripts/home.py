"""Which database and schema a script means by a name that says neither: `USE sales`, `SET search_path TO sales`."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlglot import Dialect, exp

__all__ = ["Home"]

_DATABASE_FIRST: Final = frozenset({"Fabric", "Snowflake", "TSQL"})  # `USE x` is about a database with schemas in it; elsewhere x has tables


@dataclass(slots=True)
class Home:
    """Statements are to be shown to it in order."""

    tool: Dialect
    catalog: str = ""
    schema: str = ""

    def moves(self, statement: exp.Expr, words: Sequence[str]) -> None:
        """Follow a statement (`words`: its tokens) that changes what names mean."""
        if isinstance(statement, exp.Use) and isinstance(statement.this, exp.Table):
            self._use(str(statement.args.get("kind") or "").upper(), [part.name for part in statement.this.parts])
        path = [word for word in words if word.upper() not in ("LOCAL", "SESSION")]
        if [word.upper() for word in path[:2]] == ["SET", "SEARCH_PATH"]:  # of several schemas nobody knows which has a table
            self.schema = path[3] if len(path) == 4 else ""

    def _use(self, kind: str, names: Sequence[str]) -> None:
        database_first = type(self.tool).__name__ in _DATABASE_FIRST
        if len(names) == 2:
            self.catalog, self.schema = names
        elif kind == "CATALOG" or (database_first and kind in ("", "DATABASE")):
            self.catalog, self.schema = names[0], ""
        elif kind in ("", "DATABASE", "NAMESPACE", "SCHEMA"):
            self.schema = names[0]

    def name(self, statement: exp.Expr) -> None:
        """Write out, in place, what the tables of a statement are called in full, as far as that is known."""
        if not self.catalog and not self.schema:
            return
        given = {cte.alias.casefold() for cte in statement.find_all(exp.CTE)} | {table.alias.casefold() for table in statement.find_all(exp.Table)}
        for table in statement.find_all(exp.Table):
            if not isinstance(table.this, exp.Identifier) or (table.db or table.name).casefold() in given or "/" in table.name:
                continue
            if not table.db and self.schema:
                table.set("db", exp.to_identifier(self.schema))
            if table.db and not table.catalog and self.catalog:
                table.set("catalog", exp.to_identifier(self.catalog))
