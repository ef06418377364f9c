"""The gate of a pull request: what a change takes away from schemas.

`schemas` reads two states of a project, `changes` compares them; the report is `metadata_service.cli.views.gate`.
"""
from __future__ import annotations
