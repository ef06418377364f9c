"""The version of transformation code: SHA-256 over RFC 8785 JSON {rawCode, modules, config} (EVENTS, "Content hashes").

Not the commit, which changes without the code; not the compiled text, which holds dates and invocation ids.
"""
from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest_hooks.errors import EventError

__all__ = ["SourceCode", "source_of", "transformation_version"]


def transformation_version(raw_code: str, modules: Mapping[str, str] | None = None, config: str | None = None) -> str:
    """The version (64 hex). All arguments are SHA-256 digests in hex; `modules` maps the names of what the code uses to theirs."""
    import rfc8785

    return hashlib.sha256(rfc8785.dumps({"rawCode": raw_code, "modules": dict(modules or {}), "config": config})).hexdigest()


@dataclass(frozen=True, slots=True)
class SourceCode:
    """Source text of a step. `line` is where it begins in `file` (1-based)."""

    text: bytes
    file: Path | None
    line: int
    language: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text).hexdigest()


_LANGUAGES = {".py": "python", ".sql": "sql", ".r": "r", ".scala": "scala", ".java": "java", ".sh": "shell", ".ipynb": "jupyter"}


def source_of(code: Callable[..., Any] | str | Path) -> SourceCode:
    """The source of a function or class, or the content of a file (a string is a path).

    Raises:
        EventError: a callable whose source cannot be found (built in, or typed into a prompt). OSError: the file cannot be read.
    """
    if isinstance(code, str | Path):
        path = Path(code)
        return SourceCode(path.read_bytes(), path.resolve(), 1, _LANGUAGES.get(path.suffix.lower(), "text"))
    target = inspect.unwrap(code)
    try:
        lines, line = inspect.getsourcelines(target)
        file = inspect.getsourcefile(target)
    except (OSError, TypeError) as error:
        raise EventError(f"the source of {code!r} cannot be found: {error}") from error
    return SourceCode("".join(lines).encode("utf-8"), Path(file).resolve() if file else None, max(line, 1), "python")
