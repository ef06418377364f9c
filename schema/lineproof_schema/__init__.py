"""The contract of Lineproof: event models, JSON Schemas, URNs, error codes and the GraphQL SDL.

This package imports nothing else of Lineproof. Everything that crosses a process boundary is described here.
"""
from __future__ import annotations

from lineproof_schema.errors import CODES, ErrorCode, LineproofError
from lineproof_schema.urn import Urn, UrnError

__all__ = ["CODES", "ErrorCode", "LineproofError", "Urn", "UrnError"]
