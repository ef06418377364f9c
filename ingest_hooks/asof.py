"""As-of joins that read only what was known: for training sets made with DuckDB or pandas.

    from ingest_hooks.asof import asof_join
    training = asof_join(requests, delays, by=["carrier"], reference_time="reference_time", feature_time="day", knowledge_time="loaded_at")

For each row of the spine, among the feature rows of its keys with `feature_time < reference_time` and `knowledge_time < reference_time`, the one
with the latest feature time is taken, and of its corrections the one that was known last. A row that a backfill wrote later is not seen, and
a correction only from when it was known. `<` and not `<=`: what happened at the very reference time was not known then; `inclusive` takes it.

Why it is one sort and not a cross product: a row can be used from max(feature_time, knowledge_time) on. Per key, in that order, the best row so
far is a running maximum of (feature_time, knowledge_time); the last such row before the reference time names it.
"""
# ruff: noqa: S608  (every name in a statement is quoted)
from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ingest_hooks.errors import AsofError

if TYPE_CHECKING:
    import pandas

__all__ = ["asof_join", "asof_join_duckdb"]

_UNITS = ("s", "ms", "us", "ns")
_DUCKDB_TIMES = ("TIMESTAMP", "DATE")
_ROW, _PICK, _FROM = "__asof_row", "__asof_pick", "__asof_from"  # columns of ours, gone from the result


def asof_join(spine: pandas.DataFrame, features: pandas.DataFrame, *, by: Sequence[str], reference_time: str, feature_time: str,
              knowledge_time: str | None = None, columns: Sequence[str] | None = None, max_age: timedelta | None = None,
              inclusive: bool = False) -> pandas.DataFrame:
    """Join data frames; every row of the spine stays, in its order and with its index.

    Args:
        spine: the rows to predict for.
        features: rows with keys, feature time and values. A missing key or time never matches.
        by: the key columns, named alike in both; may be empty.
        reference_time: column of the spine: when the prediction is made.
        feature_time: column of the features: when what they say happened.
        knowledge_time: column of the features: when the row could be known; None if that was at the feature time.
        columns: the feature columns to add (default: all but keys).
        max_age: the oldest a feature row may be at the reference time.
        inclusive: also what happened, or became known, at the very reference time.

    Returns:
        The spine with the added columns, missing where no row was known.

    Raises:
        AsofError: a column is missing or would be there twice; times are no times, or some have a time zone and others none; keys have other types
            on both sides; or different rows have the same keys and times, so that none is the right one.
    """
    import pandas

    added = _columns(list(spine.columns), list(features.columns), by, reference_time, feature_time, knowledge_time, columns)
    times = [feature_time, *([knowledge_time] if knowledge_time is not None else [])]
    told = features[list(dict.fromkeys([*by, *times, *added]))].reset_index(drop=True)
    asked, kept = _alike(spine[list(dict.fromkeys([*by, reference_time]))], told, by, reference_time, times)
    kept = kept.loc[_distinct(kept)].dropna(subset=[*by, *times])
    if bool(kept.duplicated(subset=[*by, *times]).any()):
        raise _ambiguous(by, times)
    ordered = kept.sort_values(times, kind="stable")
    rows, ordered = ordered.index, ordered.reset_index(drop=True)  # the position is the order of (feature time, knowledge time)
    candidates = ordered[list(by)].copy()
    candidates[_FROM] = ordered[times].max(axis=1)
    candidates[_PICK] = range(len(ordered))
    candidates = candidates.sort_values([_FROM, _PICK], kind="stable")
    candidates[_PICK] = candidates.groupby(list(by))[_PICK].cummax() if by else candidates[_PICK].cummax()
    asked[_ROW] = range(len(spine))
    asked = asked.dropna().sort_values(reference_time, kind="stable")
    matched = pandas.merge_asof(asked, candidates, left_on=reference_time, right_on=_FROM, by=list(by) or None, allow_exact_matches=inclusive)
    matched = matched.dropna(subset=[_PICK])
    picked = pandas.Series(matched[_PICK].to_numpy(), index=matched[_ROW].to_numpy()).reindex(range(len(spine)))
    if max_age is not None:
        at = asked.set_index(_ROW)[reference_time].reindex(range(len(spine)))
        picked = picked.where(ordered[feature_time].reindex(picked.to_numpy()).reset_index(drop=True) >= at - max_age)
    result = told[added].reindex(rows.to_series(index=range(len(rows))).reindex(picked.to_numpy()).to_numpy())
    result.index = spine.index
    return pandas.concat([spine, result], axis=1)


def asof_join_duckdb(connection: Any, spine: Any, features: Any, *, by: Sequence[str], reference_time: str, feature_time: str,
                     knowledge_time: str | None = None, columns: Sequence[str] | None = None, max_age: timedelta | None = None,
                     inclusive: bool = False) -> Any:
    """The same join on a DuckDB connection, of tables by name or of relations; see `asof_join`.

    Returns:
        A relation (not run yet). Its rows are those of the spine; their order is not kept, as nothing in SQL keeps it.

    Raises:
        AsofError: as `asof_join`; the features are read once to see whether rows contradict each other.
    """
    lineproof_spine = connection.table(spine) if isinstance(spine, str) else spine  # DuckDB finds relations by the names of these variables
    lineproof_features = connection.table(features) if isinstance(features, str) else features
    added = _columns(list(lineproof_spine.columns), list(lineproof_features.columns), by, reference_time, feature_time, knowledge_time, columns)
    times = [feature_time, *([knowledge_time] if knowledge_time is not None else [])]
    kinds = [*_kinds("spine", lineproof_spine, [reference_time]), *_kinds("features", lineproof_features, times)]
    _one_clock([(where, "no time" if not kind.startswith(_DUCKDB_TIMES) else "zone" if "WITH TIME ZONE" in kind else "", kind) for where, kind in kinds])
    kept = ", ".join(_quoted(name) for name in dict.fromkeys([*by, *times, *added]))
    present = " and ".join(f"{_quoted(name)} is not null" for name in [*by, *times])
    keys = ", ".join(_quoted(name) for name in [*by, *times])
    known = f"select distinct {kept} from lineproof_features where {present}"
    if connection.sql(f"select 1 from ({known}) group by {keys} having count(*) > 1 limit 1").fetchall():
        raise _ambiguous(by, times)
    usable = f"greatest({', '.join(_quoted(name) for name in times)})"
    partition = f"partition by {', '.join(_quoted(name) for name in by)} " if by else ""
    equal = "".join(f"s.{_quoted(name)} = c.{_quoted(name)} and " for name in by)
    same = " and ".join(f"f.{_quoted(name)} = c.{_quoted(name)}" for name in by) or "true"
    best = ", ".join(f"{_PICK}_{number} := {_quoted(name)}" for number, name in enumerate(times))
    found = " and ".join(f"f.{_quoted(name)} = c.{_PICK}.{_PICK}_{number}" for number, name in enumerate(times))
    age = "" if max_age is None else f" - interval {max_age // timedelta(microseconds=1)} microsecond"
    fresh = f" and f.{_quoted(feature_time)} >= s.{_quoted(reference_time)}{age}" if age else ""
    select = "".join(f", f.{_quoted(name)}" for name in added)
    statement = f"""
        with f as ({known}),
        c as (
            select distinct {''.join(f'{_quoted(name)}, ' for name in by)}{usable} as {_FROM},
                max(struct_pack({best})) over ({partition}order by {usable} range between unbounded preceding and current row) as {_PICK}
            from f
        )
        select s.*{select}
        from lineproof_spine as s
        asof left join c on {equal}s.{_quoted(reference_time)} {'>=' if inclusive else '>'} c.{_FROM}
        left join f on {same} and {found}{fresh}"""
    return connection.sql(statement)


def _columns(spine: list[str], features: list[str], by: Sequence[str], reference_time: str, feature_time: str, knowledge_time: str | None,
             columns: Sequence[str] | None) -> list[str]:
    """The feature columns to add."""
    wanted = {"spine": [*by, reference_time], "features": [*by, feature_time, *([knowledge_time] if knowledge_time else []), *(columns or ())]}
    for side, have in (("spine", spine), ("features", features)):
        missing = [name for name in wanted[side] if name not in have]
        if missing:
            raise AsofError(f"the {side} have no column {', '.join(missing)}")
    added = list(columns) if columns is not None else [name for name in features if name not in by]
    twice = [name for name in added if name in spine]
    if twice:
        raise AsofError(f"both sides have {', '.join(twice)}: name the feature columns to add, or rename one")
    return added


def _alike(asked: pandas.DataFrame, features: pandas.DataFrame, by: Sequence[str], reference_time: str,
           times: Sequence[str]) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """Both sides with times on one clock, in the finest of their units, and keys of one type."""
    import pandas

    asked, features = asked.copy(), features.copy()
    sides = [("spine", asked, reference_time), *(("features", features, name) for name in times)]
    for _, frame, name in sides:
        if frame[name].isna().all():  # also of an empty frame: nothing says what it would hold
            frame[name] = pandas.Series(pandas.NaT, index=frame.index, dtype=_any_times(side[name] for _, side, name in sides))
    told = []
    for side, frame, name in sides:
        dtype = frame[name].dtype
        kind = "zone" if isinstance(dtype, pandas.DatetimeTZDtype) else "" if pandas.api.types.is_datetime64_dtype(dtype) else "no time"
        told.append((f"{name} of the {side}", kind, str(dtype)))
    _one_clock(told)
    unit = max((_unit_of(frame[name]) for _, frame, name in sides), key=_UNITS.index)
    for side, frame, name in sides:
        try:
            utc = frame[name].dt.tz_convert("UTC") if frame[name].dt.tz is not None else frame[name]
            frame[name] = utc.dt.as_unit(unit)
        except (pandas.errors.OutOfBoundsDatetime, OverflowError) as error:
            raise AsofError(f"{name} of the {side} has times beyond what the other times' unit ({unit}) can hold") from error
    for name in by:
        if asked[name].dtype != features[name].dtype:
            features[name] = _as_key(name, features[name].dropna(), asked[name]).reindex(features.index)
            features = features[features[name].notna()]
            features[name] = _as_key(name, features[name], asked[name])
    return asked, features


def _any_times(columns: Iterable[pandas.Series]) -> Any:
    """The type of the first column that holds times."""
    import pandas

    return next((column.dtype for column in columns if pandas.api.types.is_datetime64_any_dtype(column.dtype)), "datetime64[us]")


def _unit_of(column: pandas.Series) -> str:
    return str(column.dt.unit)


def _as_key(name: str, column: pandas.Series, wanted: pandas.Series) -> pandas.Series:
    """Keys in the type of the other side, if they are the same values in it (1.0 and 1, not "1" and 1)."""
    try:
        made = column.astype(wanted.dtype)
        same = bool((made == column).all())
    except (TypeError, ValueError, OverflowError):
        same = False
    if not same:
        raise AsofError(f"key {name} is {wanted.dtype} in the spine and {column.dtype} in the features: make them of one type")
    return made


def _distinct(frame: pandas.DataFrame) -> pandas.Series:
    """Which rows are the first of their like."""
    try:
        return ~frame.duplicated()
    except TypeError as error:
        raise AsofError(f"the features hold values that cannot be compared ({error}): name the columns to add") from error


def _kinds(side: str, relation: Any, names: Sequence[str]) -> list[tuple[str, str]]:
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    return [(f"{name} of the {side}", types[name]) for name in names]


def _one_clock(told: Sequence[tuple[str, str, str]]) -> None:
    """Refuse times that nobody can compare: (which, `zone`, `` or `no time`, its type)."""
    for where, kind, dtype in told:
        if kind == "no time":
            raise AsofError(f"{where} is {dtype}, not a time")
    if len({kind for _, kind, _ in told}) > 1:
        raise AsofError("some times have a time zone and others none: " + ", ".join(f"{where} is {dtype}" for where, _, dtype in told))


def _ambiguous(by: Sequence[str], times: Sequence[str]) -> AsofError:
    return AsofError(f"different feature rows have the same {', '.join([*by, *times])}: which of them is right is not decided")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
