"""What can go wrong between a pipeline and its spool. None of these reaches the pipeline: the emitter catches, counts
and logs them. Only `ResolveError` and `AsofError` are raised: serving must not guess, nor a training set.

    LineproofError
    └── HookError
        ├── SettingError      a URL, key file or folder that cannot be used (invalid-setting)
        ├── SpoolFullError    the spool's size cap or its disk is reached (spool-full)
        ├── SpoolLockedError  every stream folder of the spool is held by a living process (data-directory-locked)
        ├── EventError        an event that does not match its schema (invalid-event, unknown-event-type, …)
        ├── AsofError         an as-of join that has no one answer (invalid-argument); raised to the caller
        ├── ResolveError      a reference without an answer (not-pinned, not-found, retired, unreachable, …); raised to the caller
        └── GitError          no repository, no such commit, or git did not answer in time (not-found)
"""
from __future__ import annotations

from lineproof_schema.errors import LineproofError

__all__ = ["AsofError", "EventError", "GitError", "HookError", "ResolveError", "SettingError", "SpoolFullError", "SpoolLockedError"]


class HookError(LineproofError):
    """Root of this package's errors."""


class SettingError(HookError):
    """A setting that cannot be used; events are kept in `dead/` until it is mended."""

    code = "invalid-setting"


class SpoolFullError(HookError):
    """No room for another event: the cap on bytes is reached, or the disk is full."""

    code = "spool-full"


class SpoolLockedError(HookError):
    """All stream folders of this spool belong to other living processes."""

    code = "data-directory-locked"


class EventError(HookError):
    """The event cannot be sent as it is."""

    code = "invalid-event"


class GitError(HookError):
    """The commit's facts cannot be read."""

    code = "not-found"


class ResolveError(HookError):
    """A reference that has no answer; `reference` in `extra` names it."""

    code = "unreachable"


class AsofError(HookError):
    """The tables cannot be joined as asked, or more than one row answers."""

    code = "invalid-argument"
