"""SQL to column lineage, with file, line and column of every output column. Needs the `sql` extra.

The way of a text: `templates` say where it was written; `scripts` find its statements; `forms` turn each into the queries that fill its target, in
forms that scopes can follow; `columns` goes from each output column of these to base columns; `timing` tells which rows it is made of. `lineage` puts
the answer together, in the words of `model`.
"""
from __future__ import annotations

from ingest_hooks.sql.lineage import PARSER, column_lineage
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
from ingest_hooks.sql.templates.marks import MacroPlace
from ingest_hooks.sql.templates.source_map import Located, SourceMap

__all__ = ["PARSER", "InputColumn", "Located", "MacroPlace", "OutputColumn", "SourceMap", "SqlLineage", "Status", "Step", "Subtype", "TimeBound",
           "TimePredicate", "TimedPredicate", "TimedRead", "Timing", "WindowFrame", "column_lineage"]
