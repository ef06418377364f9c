"""SQL to column lineage, with file, line and column of every output column. Needs the `sql` extra."""
from __future__ import annotations

from ingest_hooks.sql.lineage import PARSER, column_lineage
from ingest_hooks.sql.marks import MacroPlace
from ingest_hooks.sql.model import (
    InputColumn,
    OutputColumn,
    SqlLineage,
    Status,
    Step,
    Subtype,
    TimeBound,
    TimedPredicate,
    TimedRead,
    TimePredicate,
    Timing,
    WindowFrame,
)
from ingest_hooks.sql.source_map import Located, SourceMap

__all__ = ["PARSER", "InputColumn", "Located", "MacroPlace", "OutputColumn", "SourceMap", "SqlLineage", "Status", "Step", "Subtype", "TimeBound",
           "TimePredicate", "TimedPredicate", "TimedRead", "Timing", "WindowFrame", "column_lineage"]
