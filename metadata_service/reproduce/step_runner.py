"""Makes a recorded call again. Copied into the sandbox and run by the locked environment, so it imports nothing of ours.

    python step_runner.py STEP_JSON
"""
from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(step: dict[str, Any]) -> None:
    """`step`: {code, file, function, arguments, named, databases, settings, files, tables, returns}; places are paths in the sandbox."""
    with contextlib.ExitStack() as stack:
        arguments = [_value(each, step, stack) for each in step["arguments"]]
        named = {name: _value(each, step, stack) for name, each in step["named"].items()}
        sys.path.insert(0, step["code"])
        spec = importlib.util.spec_from_file_location("recorded_step", Path(step["code"]) / step["file"])
        if spec is None or spec.loader is None:
            raise ImportError(f"{step['file']} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules["recorded_step"] = module
        spec.loader.exec_module(module)
        result = getattr(module, step["function"])(*arguments, **named)
        if step.get("returns"):
            _write(result, step["returns"])


def _value(said: dict[str, Any], step: dict[str, Any], stack: contextlib.ExitStack) -> Any:
    if "$json" in said:
        return said["$json"]
    if "$duckdb" in said:
        import duckdb

        connection = stack.enter_context(duckdb.connect(step["databases"][said["$duckdb"]]))
        for name, value in step["settings"].items():
            connection.execute("set {} = '{}'".format(name, str(value).replace("'", "''")))
        return connection
    if "$file" in said:
        return step["files"]["\0".join(said["$file"])]
    import pyarrow as pa

    with pa.OSFile(step["tables"]["\0".join(said["$table"])], "rb") as source:
        return pa.ipc.open_file(source).read_all()


def _write(table: Any, path: str) -> None:
    import pyarrow as pa

    with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
