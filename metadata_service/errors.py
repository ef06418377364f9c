"""Errors of the service's own rooms; those of the log and the contract come from their packages.

    LineproofError (lineproof_schema.errors)
    ├── SettingError            invalid-setting
    ├── AccessError             unauthenticated | forbidden
    ├── IntakeRefused           a refused event: any code of the contract, optionally with field errors
    ├── BodyRefused             too-large | unsupported-media-type | unsupported-encoding | not-json | …
    ├── ArtifactError           not-found | too-large | invalid-argument | no-space
    └── NotFound                not-found
"""
from __future__ import annotations

from lineproof_schema.errors import LineproofError

__all__ = ["AccessError", "ArtifactError", "BodyRefused", "IntakeRefused", "NotFound", "SettingError"]


class SettingError(LineproofError):
    """A setting is unknown, malformed or does not go with another."""

    code = "invalid-setting"


class AccessError(LineproofError):
    """The caller is unknown (`unauthenticated`) or may not do this (`forbidden`)."""

    code = "forbidden"


class IntakeRefused(LineproofError):
    """An event is refused; nothing was appended."""

    code = "invalid-event"


class BodyRefused(LineproofError):
    """A request body cannot be read at all."""

    code = "not-json"


class ArtifactError(LineproofError):
    """An artifact cannot be stored or does not exist."""

    code = "not-found"


class NotFound(LineproofError):
    """There is no such thing, or the viewer may not know that there is."""

    code = "not-found"
