"""What sqlglot logs about a statement, each answer says with its status and reasons: while it works for us, its remarks go to nobody's log."""
from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

__all__ = ["quietly"]

_QUIET: Final = ContextVar("quiet", default=False)
logging.getLogger("sqlglot").addFilter(lambda record: not _QUIET.get())  # whoever else uses sqlglot in this process hears it as before


@contextmanager
def quietly() -> Iterator[None]:
    """Without the remarks of sqlglot, in this thread or task."""
    before = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(before)
