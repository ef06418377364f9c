"""What pipelines import: signed events from CI, ETL and serving, that never get in the pipeline's way.

Importing this package loads nothing else; the names below load their module when they are first used.
"""
from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest_hooks.acks import Acknowledgement
    from ingest_hooks.call import DuckDB, InputFile, InputTable
    from ingest_hooks.counts import Stats
    from ingest_hooks.emitter import Emitter
    from ingest_hooks.errors import EventError, GitError, HookError, ResolveError, SettingError, SpoolFullError, SpoolLockedError
    from ingest_hooks.receipt import Receipt
    from ingest_hooks.resolver import Resolution, Resolver
    from ingest_hooks.step import Dataset, Step
    from ingest_hooks.transformation import transformation_version
    from ingest_hooks.transport import SignedTransport

__all__ = ["Acknowledgement", "Dataset", "DuckDB", "Emitter", "EventError", "GitError", "HookError", "InputFile", "InputTable", "Receipt", "Resolution",
           "ResolveError", "Resolver", "SettingError", "SignedTransport", "SpoolFullError", "SpoolLockedError", "Stats", "Step", "transformation_version"]

_HOMES = {"Acknowledgement": "acks", "Dataset": "step", "DuckDB": "call", "Emitter": "emitter", "EventError": "errors", "GitError": "errors",
          "HookError": "errors", "InputFile": "call", "InputTable": "call", "Receipt": "receipt", "Resolution": "resolver",
          "ResolveError": "errors", "Resolver": "resolver", "SettingError": "errors", "SignedTransport": "transport",
          "SpoolFullError": "errors", "SpoolLockedError": "errors", "Stats": "counts", "Step": "step", "transformation_version": "transformation"}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"ingest_hooks.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
