"""The gate of a pull request: what a change takes away from schemas, and whether that may go in.

`read` reads two states of a project into `schemas` (`dbt`, `ddl` with `statements`, `documents` with `json_schema` know the formats, `selected` what a
query says), `changes` compares them, `mended` knows the readers that change with what they read, `verdict` weighs what each change breaks, `formats` writes
it for machines; the report for people is `metadata_service.cli.views.gate`.
"""
from __future__ import annotations
