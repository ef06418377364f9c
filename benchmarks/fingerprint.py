"""fp1 of a table: what a dataset version's fingerprint costs a run, from DuckDB and from Arrow."""
from __future__ import annotations

from functools import partial

import duckdb

from benchmarks.figures import Report, Target, median_seconds
from benchmarks.scale import Scale
from benchmarks.services import Services
from ingest_hooks.fp1 import fingerprint, fingerprint_query, merge_sums

__all__ = ["TITLE", "run"]

TITLE = "Fingerprint of a table (fp1)"
TABLE = """create table t as select range as id, range % 1000 as small, range / 3.0 as share, 'name ' || range % 5000 as name, 'row ' || range as label,
    date '2020-01-01' + (range % 3000)::int as day, timestamp '2020-01-01' + to_seconds(range) as at, timestamptz '2020-01-01 00:00:00+00' + to_seconds(range)
    as seen, (range / 7)::decimal(18, 4) as price, case when range % 9 > 0 then range % 2 = 0 end as flag from range({rows})"""
BESIDE = "select sum(md5_number_lower({row})) from t"
ROWS, SIZE = 1_000_000, "1,000,000 rows x 10 columns"
SECONDS = 1.0  # "about 1 s per million rows x 10 columns"
PARTS = 4


def run(report: Report, scale: Scale, services: Services) -> None:
    """Take the figures."""
    with duckdb.connect() as connection:
        connection.execute(TABLE.format(rows=ROWS))
        columns = [row[0] for row in connection.execute("select column_name from duckdb_columns() where table_name = 't'").fetchall()]
        row = " || '|' || ".join(f"""coalesce("{name}"::varchar, '')""" for name in columns)
        beside = median_seconds(partial(_fetch, connection, BESIDE.format(row=row)))
        report.add("DuckDB's sum of one md5 per row of text", beside, "s", size=SIZE, note="what data-diff does; no evidence, no types")
        taken = median_seconds(partial(fingerprint_query, connection, "from t"))
        report.add("fp1 of a DuckDB table", taken, "s", against="md5 sum", ratio=taken / beside, size=SIZE, target=Target(at_most=SECONDS))
        table = connection.sql("from t").to_arrow_table()
    taken = median_seconds(partial(fingerprint, table))
    report.add("fp1 of the same Arrow table", taken, "s", against="md5 sum", ratio=taken / beside, size=SIZE, target=Target(at_most=SECONDS))
    step = -(-ROWS // PARTS)
    sums = [fingerprint(table.slice(at, step)).sum for at in range(0, ROWS, step)]
    if merge_sums(sums) != fingerprint(table).sum:
        raise RuntimeError("the sums of the partitions are not the sum of the table")


def _fetch(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    connection.execute(query).fetchall()
