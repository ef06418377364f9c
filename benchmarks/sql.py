"""Column lineage of SQL: how much of our corpus is found, and how long a statement takes."""
from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from sqlglot import parse_one
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from benchmarks.figures import Report, Target, percentile, timed
from benchmarks.scale import Scale
from benchmarks.services import Services
from ingest_hooks.sql import column_lineage
from tests import jinja_corpus
from tests.sql_corpus import cases, score

__all__ = ["TITLE", "run"]

TITLE = "SQL to columns"
DIALECTS = ("bigquery", "duckdb", "postgres", "snowflake", "spark")
REPEATS = 30


def run(report: Report, scale: Scale, services: Services) -> None:
    """Take the figures."""
    for dialect in DIALECTS:
        scores = [score(case, case.asked()) for case in cases(dialect)]
        _accuracy(report, f"{dialect}, {len(scores)} statements", *(sum(getattr(each, name) for each in scores) for name in ("right", "found", "expected")))
    with tempfile.TemporaryDirectory() as folder:
        expected, facets = jinja_corpus.build(Path(folder))
    _accuracy(report, f"jinja, {len(facets)} nodes of dbt", *jinja_corpus.score(expected, facets))
    _spread(report, "a statement of the corpus", [timed(case.asked) for case in cases() for _ in range(3)], f"{len(cases())} statements")
    for columns, ctes in ((30, 10), (200, 5)):
        sql, schema = _model_of(columns, ctes)
        work = partial(column_lineage, sql, dialect="duckdb", schema=schema)
        _spread(report, "a model", [timed(work) for _ in range(REPEATS)], f"{columns} columns, {ctes} CTEs")
        alone = partial(_parsed_and_qualified, sql, MappingSchema(schema, dialect="duckdb"))
        _spread(report, "sqlglot alone: parse and qualify", [timed(alone) for _ in range(REPEATS)], f"{columns} columns, {ctes} CTEs")


def _parsed_and_qualified(sql: str, schema: MappingSchema) -> None:
    """What every reader of columns has to do first, for comparison."""
    qualify(parse_one(sql, dialect="duckdb"), dialect="duckdb", schema=schema, validate_qualify_columns=False, identify=False, quote_identifiers=False)


def _model_of(columns: int, ctes: int) -> tuple[str, dict[str, dict[str, str]]]:
    """A model as dbt compiles it: a chain of CTEs, each with a join, expressions and a filter."""
    names = [f"c{number}" for number in range(columns)]
    parts = [f"a0 as (select {', '.join(f's.{name}' for name in names)} from source s join other o on o.k = s.k where s.c0 > 1)"]
    parts += [f"a{step} as (select {', '.join(f'coalesce({name}, 0) as {name}' for name in names)} from a{step - 1} where c{step % columns} is not null)"
              for step in range(1, ctes)]
    sql = f"with {', '.join(parts)} select * from a{ctes - 1}"
    return sql, {"source": {"k": "INTEGER", **dict.fromkeys(names, "INTEGER")}, "other": {"k": "INTEGER"}}


def _spread(report: Report, name: str, seconds: list[float], size: str) -> None:
    for share in (0.5, 0.95):
        report.add(f"{name}, p{share * 100:.0f}", percentile(seconds, share) * 1_000, "ms", size=size)


def _accuracy(report: Report, of: str, right: int, found: int, expected: int) -> None:
    size = f"{of}, {expected} uses of columns"
    report.add("precision", 100 * right / found, "%", size=size, target=Target(at_least=100.0))
    report.add("recall", 100 * right / expected, "%", size=size, target=Target(at_least=100.0))
