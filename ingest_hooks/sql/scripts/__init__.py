"""From a text to its statements: parsing, scripts, procedures, and tables that a script makes only for itself."""
from __future__ import annotations
