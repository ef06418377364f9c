"""`python -m ingest_hooks.dbt`."""
from __future__ import annotations

from ingest_hooks.dbt.cli import dbt_app

dbt_app()
