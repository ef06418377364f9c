"""Refusals of the registry.

    LineproofError
    ├── UnknownEntity     not-found
    ├── NotPinned         not-pinned (`pinned`: what the binding has)
    ├── NoManifest        no-manifest (`missing`: the references that were no registered versions, `index`: the refused entry)
    └── Retired           retired
"""
from __future__ import annotations

from lineproof_schema.errors import LineproofError

__all__ = ["NoManifest", "NotPinned", "Retired", "UnknownEntity"]


class UnknownEntity(LineproofError):
    """There is no such feature, version, alias, model or deployment at the position."""

    code = "not-found"


class NotPinned(LineproofError):
    """The model is not bound to what was asked for."""

    code = "not-pinned"


class NoManifest(LineproofError):
    """The registration of a stable binding was refused: some of its references were no registered versions."""

    code = "no-manifest"


class Retired(LineproofError):
    """The deployment was retired or replaced; nothing is served for it."""

    code = "retired"
