"""A parsed statement in the forms that scopes can follow."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlglot import exp

from ingest_hooks.sql.changes import returned

__all__ = ["rewrite"]

LONG_CHAIN: Final = 32  # operands; longer ones are as deep as they are long, and every change to a leaf touches all above it
_CHAINS: Final = (exp.And, exp.Or, exp.DPipe, exp.Union)


def rewrite(statement: exp.Expr) -> None:
    """Change the statement in place; what it says stays the same."""
    _balance(statement)
    _changes(statement)
    _arrows(statement)
    for select in list(statement.find_all(exp.Select)):
        if select.args.get("match") is not None:
            _match_rows(select)


def _balance(statement: exp.Expr) -> None:
    """`a OR b OR c …` as a balanced tree instead of one as deep as it is long."""
    for top in list(statement.find_all(*_CHAINS)):
        if top.parent is not None and _continues(top.parent, top):
            continue
        parts, node = [], top
        while _continues(top, node):
            parts.append(node.expression)
            node = node.this
        parts.append(node)
        if len(parts) > LONG_CHAIN:
            parts.reverse()
            middle = len(parts) // 2
            top.set("this", _tree(top, parts[:middle]))
            top.set("expression", _tree(top, parts[middle:]))


def _continues(top: exp.Expr, node: exp.Expr) -> bool:
    """Whether a node is of the same chain: the same operator, and nothing of its own that the order of evaluation matters for."""
    if type(node) is not type(top):
        return False
    if not isinstance(node, exp.Union):
        return True
    own = {key for key, value in node.args.items() if value and key not in ("this", "expression", "distinct")}
    return (node is top or not own) and node.args.get("distinct") == top.args.get("distinct") and not node.args.get("by_name")


def _tree(top: exp.Expr, parts: Sequence[exp.Expr]) -> exp.Expr:
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    more = {"distinct": top.args.get("distinct")} if isinstance(top, exp.Union) else {}
    return type(top)(this=_tree(top, parts[:middle]), expression=_tree(top, parts[middle:]), **more)


def _arrows(statement: exp.Expr) -> None:
    """`f(doc -> 'a')`: sqlglot takes the arrow for a lambda's, but a first argument is none, and its parameter is a column."""
    for arrow in list(statement.find_all(exp.Lambda)):
        first = isinstance(arrow.parent, exp.Func) and not arrow.index and arrow.arg_key in ("this", "expressions")
        if first and len(arrow.expressions) == 1 and isinstance(arrow.expressions[0], exp.Identifier):
            arrow.replace(exp.JSONExtract(this=exp.Column(this=arrow.expressions[0]), expression=arrow.this))


def _changes(statement: exp.Expr) -> None:
    """`WITH gone AS (DELETE … RETURNING id)`: what the statement in a CTE returns, as a query."""
    for cte in list(statement.find_all(exp.CTE)):
        if isinstance(cte.this, exp.Insert | exp.Update | exp.Delete | exp.Merge):
            cte.set("this", returned(cte.this))


def _match_rows(select: exp.Select) -> None:
    """MATCH_RECOGNIZE as a query in FROM: what it partitions by and its measures, chosen by the conditions of its pattern.

    How a pattern picks its rows is not followed; `resolve` says so of whatever reads it.
    """
    match, from_ = select.args["match"], select.args.get("from_")
    if not isinstance(from_, exp.From):
        return
    variables = {define.alias.lower() for define in match.args.get("define") or ()}
    for column in match.find_all(exp.Column):
        if column.table.lower() in variables:
            column.set("table", None)
    measures = [measure.this for measure in match.args.get("measures") or ()]
    rows = exp.select(*(match.args.get("partition_by") or ()), *measures).from_(from_.this, copy=False)
    for define in match.args.get("define") or ():
        rows = rows.where(define.this, copy=False)
    rows.set("order", match.args.get("order"))
    rows.set("match", exp.Var(this="match"))
    alias = match.args.get("alias")
    select.set("match", None)
    select.set("from_", exp.From(this=exp.Subquery(this=rows, alias=alias or exp.TableAlias(this=exp.to_identifier("matched")))))
