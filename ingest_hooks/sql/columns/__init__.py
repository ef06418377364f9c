"""From an output column to the base columns that it is made of."""
from __future__ import annotations
