"""What decides the rows of a query: its clauses, and how each uses what stands in it."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from ingest_hooks.sql.columns.sources import joins_of, selects_of
from ingest_hooks.sql.columns.uses import Use
from ingest_hooks.sql.forms.pivot_statement import VALUES_UNKNOWN
from ingest_hooks.sql.forms.rewrites import SCRIPT

__all__ = ["FILTER", "UNFOLLOWED", "clauses"]

FILTER: Final = Use(False, "FILTER")
# clauses that make rows or columns in a way that is not followed
UNFOLLOWED: Final = {"connect": "connect-by", "match": "match-recognize", VALUES_UNKNOWN: "pivot-values-unknown", SCRIPT: "transform-script"}
_GROUP: Final = Use(False, "GROUP_BY")
_CLAUSES: Final = (("where", FILTER), ("having", FILTER), ("qualify", FILTER), ("connect", FILTER), ("group", _GROUP), ("order", Use(False, "SORT")),
                   ("sort", Use(False, "SORT")))


def clauses(scope: Scope) -> Iterator[tuple[Use, exp.Expr]]:
    """The expressions that decide the rows of a scope's query."""
    query = scope.expression
    for key, use in _CLAUSES:
        clause = query.args.get(key)
        if isinstance(clause, exp.Expr):
            yield use, clause
            if _all_of(clause):
                for select in selects_of(scope):
                    if key == "order" or select.find(exp.AggFunc) is None:
                        yield use, select
    distinct = query.args.get("distinct")
    if isinstance(distinct, exp.Distinct) and isinstance(distinct.args.get("on"), exp.Expr):
        yield _GROUP, distinct.args["on"]
    for join in joins_of(query):
        for key in ("on", "match_condition"):
            if isinstance(join.args.get(key), exp.Expr):
                yield Use(False, "JOIN"), join.args[key]


def _all_of(clause: exp.Expr) -> bool:
    """GROUP BY ALL, ORDER BY ALL."""
    if isinstance(clause, exp.Group):
        return bool(clause.args.get("all"))
    if not isinstance(clause, exp.Order) or len(clause.expressions) != 1:
        return False
    first = clause.expressions[0].this
    return isinstance(first, exp.Var) and first.name.upper() == "ALL"
