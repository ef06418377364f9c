"""A call that can be made again: which function of which file, with which arguments.

    with emitter.step("load_weather", outputs=[target], code=load) as step:
        step.call(load, DuckDB(connection), "weather", InputFile(("file://raw", "weather.csv"), path), retain=True)

Arguments are JSON values, which are recorded, or one of the three below, which stand for something that a rebuild has to put in their
place. The function's file is kept whole, and so are the files it imports from its own folder; what else it imports comes from the lock file.
"""
from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ingest_hooks.errors import EventError

__all__ = ["DuckDB", "InputFile", "InputTable", "code_files", "described", "real"]

MAX_CODE_FILES = 200  # files of one pipeline's own folder


@dataclass(frozen=True, slots=True)
class DuckDB:
    """A DuckDB connection. A rebuild opens a file of the same database name, with the same time zone and threads."""

    connection: Any


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file the function reads, as a version of `dataset`. The function is given the path as text."""

    dataset: Any
    path: str | Path


@dataclass(frozen=True, slots=True)
class InputTable:
    """An Arrow table the function reads, as a version of `dataset`."""

    dataset: Any
    table: Any


def real(argument: Any) -> Any:
    """What the function is given."""
    if isinstance(argument, DuckDB):
        return argument.connection
    if isinstance(argument, InputFile):
        return str(argument.path)
    return argument.table if isinstance(argument, InputTable) else argument


def described(argument: Any, dataset_of: Callable[[Any], Sequence[str]]) -> Any:
    """How an argument stands in the facet: `{"$duckdb": name}`, `{"$file": [ns, name]}`, `{"$table": [ns, name]}` or `{"$json": value}`.

    Raises:
        EventError: it is neither one of ours nor a JSON value.
    """
    if isinstance(argument, DuckDB):
        return {"$duckdb": argument.connection.cursor().execute("select current_database()").fetchall()[0][0]}
    if isinstance(argument, InputFile):
        return {"$file": list(dataset_of(argument.dataset))}
    if isinstance(argument, InputTable):
        return {"$table": list(dataset_of(argument.dataset))}
    try:
        return {"$json": json.loads(json.dumps(argument, allow_nan=False))}
    except (TypeError, ValueError) as error:
        raise EventError(f"an argument of type {type(argument).__name__} cannot be recorded: {error}") from error


def code_files(function: Callable[..., Any]) -> tuple[str, str, Mapping[str, bytes]]:
    """(file, function, contents by path): the function's file and what that imports from its own folder; paths relative to the folder.

    Raises:
        EventError: a function inside a function, or one without a file.
    """
    target = inspect.unwrap(function)
    name, where = getattr(target, "__qualname__", ""), inspect.getsourcefile(target)
    if not name.isidentifier() or where is None:
        raise EventError(f"{name or target!r} is no function at the top of a file, so a rebuild cannot call it")
    main = Path(where).resolve()
    waiting: list[ModuleType] = [sys.modules[target.__module__]]
    found = {main.name: main.read_bytes()}
    seen: set[str] = set()
    while waiting and len(found) < MAX_CODE_FILES:
        module = waiting.pop()
        if module.__name__ in seen:
            continue
        seen.add(module.__name__)
        for value in list(vars(module).values()):
            used = value if isinstance(value, ModuleType) else sys.modules.get(str(getattr(value, "__module__", None)))
            path = getattr(used, "__file__", None)
            if used is None or path is None or used.__name__ in seen:
                continue
            inside = Path(path).resolve()
            if inside.suffix == ".py" and inside.is_relative_to(main.parent) and "site-packages" not in inside.parts:
                found[inside.relative_to(main.parent).as_posix()] = inside.read_bytes()
                waiting.append(used)
    return main.name, name, found
