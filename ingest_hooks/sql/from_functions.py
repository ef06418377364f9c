"""Functions in FROM in forms that scopes can follow: semantic views as queries, what FLATTEN makes by its names."""
from __future__ import annotations

from typing import Final

from sqlglot import exp

from ingest_hooks.sql.nodes import Nodes

__all__ = ["plain_functions"]

_FLATTENED: Final = ("SEQ", "KEY", "PATH", "INDEX", "VALUE", "THIS")
_SPLIT: Final = ("SEQ", "INDEX", "VALUE")


def plain_functions(nodes: Nodes) -> None:
    """Change them in place."""
    for view in nodes.of(exp.SemanticView):
        _semantic_view(view)
    for rows in nodes.of(exp.TableFromRows):
        made = _FLATTENED if isinstance(rows.this, exp.Explode) else _SPLIT if isinstance(rows.this, exp.SplitToTable) else ()
        alias = rows.args.get("alias") or exp.TableAlias()
        if made and not alias.columns:
            alias.set("columns", [exp.to_identifier(name) for name in made])
            rows.set("alias", alias)


def _semantic_view(view: exp.SemanticView) -> None:
    """`SEMANTIC_VIEW(v METRICS m DIMENSIONS e.d AS x WHERE …)`: a query of what it names in v, by its last name, as v is the only table there is."""
    table, source = view.parent, view.this
    if not isinstance(table, exp.Table) or not isinstance(source, exp.Expr):
        return
    query = exp.select(*(item for kind in ("dimensions", "metrics", "facts") for item in view.args.get(kind) or ())).from_(
        source if isinstance(source, exp.Table) else exp.to_table(source.sql()), copy=False)
    if view.args.get("where") is not None:
        query.where(view.args["where"], copy=False)
    for column in query.find_all(exp.Column):
        for part in ("table", "db", "catalog"):
            column.set(part, None)
    table.replace(exp.Subquery(this=query, alias=table.args.get("alias")))
