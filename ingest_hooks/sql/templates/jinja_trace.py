"""Rendering a Jinja template while remembering where every stretch of output came from (sqlfluff's templater)."""
from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

__all__ = ["trace"]

MAX_TEMPLATE = 200_000  # characters; the tracer's cost grows with the number of slices


def trace(raw: str, *, context: Mapping[str, Any], macros: str, file: str | None, dialect: str) -> tuple[str, list[tuple[int, int, int, bool]]] | None:
    """(rendered text, slices as (start, stop, start in raw, copied literally)), or None if the template does not render.

    Text that a macro makes belongs to the place of its call.
    """
    if len(raw) + len(macros) > MAX_TEMPLATE:
        return None
    log = logging.getLogger("sqlfluff")
    level = log.level
    log.setLevel(logging.CRITICAL)  # its remarks about unknown names would land in the pipeline's log
    try:
        return _traced(raw, context, macros, file, dialect)
    finally:
        log.setLevel(level)


def _traced(raw: str, context: Mapping[str, Any], macros: str, file: str | None, dialect: str) -> tuple[str, list[tuple[int, int, int, bool]]] | None:
    from jinja2.exceptions import TemplateError
    from sqlfluff.core import FluffConfig
    from sqlfluff.core.errors import SQLFluffSkipFile, SQLFluffUserError, SQLTemplaterError
    from sqlfluff.core.templaters.jinja import JinjaTemplater

    templater = JinjaTemplater(override_context=dict(context))
    config = FluffConfig(overrides={"dialect": dialect})
    try:
        templated, errors = templater.process(in_str=macros + raw, fname=file or "template.sql", config=config)
    except (SQLTemplaterError, SQLFluffUserError, SQLFluffSkipFile, TemplateError, TypeError, ValueError, AttributeError, LookupError):
        return None  # the template needs more of its tool than the context offers
    if templated is None or errors:
        return None
    shift = len(macros)
    parts = [(part.templated_slice.start, part.templated_slice.stop, part.source_slice.start - shift, part.slice_type == "literal")
             for part in templated.sliced_file if part.templated_slice.stop > part.templated_slice.start]
    if any(source < 0 for _, _, source, _ in parts):
        return None
    return templated.templated_str, sorted(parts)
