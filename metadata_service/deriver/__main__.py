"""The parser as a process of its own: `python -m metadata_service.deriver <seconds>`; questions in, answers out, one JSON object a line.

SQL comes from whoever may send events. A statement that takes too long ends this process by its own alarm, one that takes too much memory by its
own limit, and the service that asked goes on: see `parser`.
"""
from __future__ import annotations

import json
import resource
import signal
import sys
from typing import Any, Final

from ingest_hooks.sql import PARSER, SqlLineage, column_lineage
from metadata_service.deriver.names import last_part

MEMORY_BYTES: Final = 2 * 2**30


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    return {"outputs": [_output(question, names) for names in question["outputs"]]}


def _output(question: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """What the statement says of the output with these names; by the first of them that it writes itself."""
    found: SqlLineage | None = None
    for name in names:
        asked = column_lineage(question["sql"], dialect=question["dialect"], schema=question["schema"], output=name, timed=False, own=question["own"])
        if asked.target is None or last_part(asked.target).casefold() == last_part(name).casefold():
            return _told(asked)
        found = found or asked
    assert found is not None
    return {**_told(found), "elsewhere": found.target}


def _told(found: SqlLineage) -> dict[str, Any]:
    columns = [{"field": column.name, "expression": column.expression, "line": column.line, "column": column.column, "status": column.status,
                "reason": column.reason, "inputs": [[item.table, item.column, item.type, item.subtype] for item in column.inputs]}
               for column in found.outputs if column.name != "*"]
    predicates = [{"left": item.left, "op": item.op, "right": item.right, "interval": item.interval, "line": item.line, "column": item.column}
                  for item in found.time_predicates]
    frames = [{"expression": item.expression, "partitionBy": item.partition_by, "orderBy": item.order_by, "frame": item.frame, "line": item.line,
               "column": item.column} for item in found.window_frames]
    return {"target": found.target, "status": found.status, "reasons": found.reasons, "tables": found.inputs, "columns": columns,
            "timePredicates": predicates, "windowFrames": frames}


def main(seconds: float) -> None:
    """Answer until standard input ends, or until a question takes longer than so many seconds."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the alarm ends the process, wherever it is
    write = sys.stdout.buffer
    write.write(json.dumps({"parser": PARSER}).encode() + b"\n")
    write.flush()
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        answer = json.dumps(_answer(json.loads(line))).encode()
        signal.setitimer(signal.ITIMER_REAL, 0)
        write.write(answer + b"\n")
        write.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]))
