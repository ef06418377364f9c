"""The dbt hook: dbt-core 1.10 and 1.11 with dbt-duckdb. Needs the `sql` and `fingerprint` extras beside dbt."""
from __future__ import annotations

from ingest_hooks.dbt.record import Recorded, record
from ingest_hooks.dbt.runner import run_dbt
from ingest_hooks.dbt.sink import EventSink

__all__ = ["EventSink", "Recorded", "record", "run_dbt"]
