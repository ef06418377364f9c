"""Which rows make an output column, and how their times are bounded by the time of the output row."""
from __future__ import annotations
