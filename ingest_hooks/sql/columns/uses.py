"""How an expression uses a column below it, in the words of OpenLineage's columnLineage facet, and what follows for what is below."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlglot import exp

from ingest_hooks.sql.model import InputColumn, Subtype

__all__ = ["IDENTITY", "MAX_STEPS", "TRANSFORMED", "Found", "Projection", "Use", "composed", "merged", "use_of"]

MAX_STEPS: Final = 64  # select items remembered per output column; more would make a trace unreadable
_RANK: Final = {"IDENTITY": 0, "TRANSFORMATION": 1, "AGGREGATION": 2}
# sqlglot counts these among the aggregates, but they pick a value of one row
_PICKS: Final = (exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue)
_CHOOSERS: Final = exp.ArgMax | exp.ArgMin  # the second argument says which value of the first is taken
_DIGESTS: Final = (exp.MD5, exp.MD5Digest, exp.SHA, exp.SHA2, exp.SHA1Digest, exp.SHA2Digest, exp.FarmFingerprint)
_DIGEST_NAMES: Final = ("md5", "sha", "hash", "xxhash", "crc32", "murmur", "hmac", "digest", "fingerprint", "mask", "anonymize", "pseudonymize", "encrypt")
_AGGREGATES: Final = frozenset({
    "approx_percentile", "bit_and", "bit_or", "bit_xor", "bitand_agg", "bool_and", "bool_or", "collect_list", "collect_set", "corr", "covar_pop",
    "covar_samp", "every", "group_concat", "histogram", "json_agg", "json_arrayagg", "json_group_array", "json_group_object", "json_object_agg",
    "json_objectagg", "jsonb_agg", "jsonb_object_agg", "kurtosis", "list", "mode", "product", "range_agg", "ratio_to_report", "regr_slope",
    "skewness", "string_agg", "sum_distinct", "weighted_avg", "xmlagg"})  # functions sqlglot has no class for


class Use(NamedTuple):
    """DIRECT or not, its subtype, and whether the value can no longer be seen in the result."""

    direct: bool
    subtype: Subtype
    masking: bool = False


IDENTITY: Final = Use(True, "IDENTITY")
TRANSFORMED: Final = Use(True, "TRANSFORMATION")


@dataclass(frozen=True, slots=True)
class Projection:
    """A select item of the qualified tree and the query it stands in."""

    select: exp.Expr
    owner: exp.Expr


@dataclass(frozen=True, slots=True)
class Found:
    """What a column is made of. `steps` starts with its own select item; `made_at` is the item that makes the value."""

    inputs: frozenset[InputColumn] = frozenset()
    reasons: frozenset[str] = frozenset()
    steps: tuple[Projection, ...] = ()
    made_at: Projection | None = None
    constant: str | None = None


def use_of(node: exp.Expr, top: exp.Expr) -> Use:
    """How `node` is used by the expression `top` above it."""
    subtype: Subtype = "IDENTITY"
    masking = False
    while node is not top:
        parent = node.parent
        if parent is None:
            break
        indirect = _deciding(node, parent)
        if indirect is not None:
            return Use(False, indirect)
        if _aggregates(parent):
            subtype = "AGGREGATION"
        elif not isinstance(parent, exp.Alias | exp.Paren | exp.Subquery) and subtype == "IDENTITY":
            subtype = "TRANSFORMATION"
        masking = masking or _hides(parent)
        node = parent
    return Use(True, subtype, masking)


def _deciding(node: exp.Expr, parent: exp.Expr) -> Subtype | None:
    """What an argument decides whose value does not flow; None if it flows."""
    key = node.arg_key
    if isinstance(parent, exp.Window) and key != "this":
        return "WINDOW"
    if isinstance(parent, exp.Case | exp.If | exp.Nvl2) and key == "this":
        return "CONDITIONAL"
    if isinstance(parent, exp.Nullif) and key == "expression":
        return "CONDITIONAL"
    if isinstance(parent, exp.DecodeCase) and _decides_in_decode(node.index or 0, len(parent.expressions)):
        return "CONDITIONAL"
    if isinstance(parent, exp.Filter) and key == "expression":
        return "FILTER"
    if isinstance(parent, _CHOOSERS | exp.HavingMax) and key == "expression":
        return "SORT"
    if isinstance(parent, exp.Order) and key == "expressions":
        within = parent.parent
        if isinstance(within, exp.WithinGroup) and not isinstance(within.this, exp.GroupConcat | exp.ArrayAgg):
            return None  # PERCENTILE_CONT(…) WITHIN GROUP (ORDER BY x) is made of x
        if not isinstance(within, exp.Window):
            return "SORT"
    return None


def _decides_in_decode(index: int, arguments: int) -> bool:
    """`DECODE(x, search, result, …, default)`: which arguments are compared."""
    return index == 0 or (index % 2 == 1 and index != arguments - 1)


def _aggregates(node: exp.Expr) -> bool:
    if isinstance(node, exp.AggFunc):
        return not isinstance(node, _PICKS)
    if isinstance(node, exp.WithinGroup):
        return True
    return isinstance(node, exp.Anonymous | exp.AnonymousAggFunc) and str(node.this).lower() in _AGGREGATES


def _hides(node: exp.Expr) -> bool:
    if isinstance(node, _DIGESTS):
        return True
    return isinstance(node, exp.Anonymous) and str(node.this).lower().startswith(_DIGEST_NAMES)


def composed(use: Use, found: Found) -> Found:
    """What `found` is to someone who uses it in this way."""
    if use == IDENTITY:
        return found
    direct, subtype, masking = use
    inputs: set[InputColumn] = set()
    for item in found.inputs:
        if not direct:
            inputs.add(InputColumn(item.table, item.column, "INDIRECT", subtype))
        elif item.type == "DIRECT":
            stronger = item.subtype if _RANK[item.subtype] >= _RANK[subtype] else subtype
            inputs.add(InputColumn(item.table, item.column, "DIRECT", stronger, item.masking or masking))
        else:
            inputs.add(item)
    return Found(frozenset(inputs), found.reasons, found.steps if direct else (), found.made_at)


def merged(parts: Iterable[Found]) -> Found:
    """All of them together."""
    inputs: set[InputColumn] = set()
    reasons: set[str] = set()
    steps: dict[int, Projection] = {}
    for part in parts:
        inputs |= part.inputs
        reasons |= part.reasons
        for step in part.steps:
            if len(steps) < MAX_STEPS:
                steps.setdefault(id(step.select), step)
    return Found(frozenset(inputs), frozenset(reasons), tuple(steps.values()))
