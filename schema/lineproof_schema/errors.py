"""Stable error codes, and the root of every error Lineproof raises.

    LineproofError
    ├── lineproof_schema.urn.UrnError          invalid-urn
    ├── lineproof_schema.openlineage.OpenLineageError
    ├── lineproof_audit.errors.*               envelope, key, log and proof errors
    ├── ingest_hooks.errors.*                  never reach the pipeline
    └── metadata_service.errors.*              intake, access, query errors

A code never changes its meaning; new codes may be added. `status` is the HTTP status the service answers with.
"""
from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CODES", "ErrorCode", "LineproofError"]


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One stable code: `title` says what was wrong in general, `fix` what the caller can do about it."""

    code: str
    status: int
    title: str
    fix: str
    retriable: bool = False


def _catalogue(*rows: ErrorCode) -> dict[str, ErrorCode]:
    return {row.code: row for row in rows}


CODES: dict[str, ErrorCode] = _catalogue(
    # bytes and envelopes
    ErrorCode("not-json", 400, "The body is not JSON", "Send UTF-8 JSON."),
    ErrorCode("invalid-envelope", 400, "Not a DSSE envelope",
              "Send {payloadType, payload, signatures: [{keyid, sig}]} with standard base64."),
    ErrorCode("unsigned-envelope", 400, "The envelope carries no signature",
              "Sign with a registered producer key, or send plain OpenLineage to /api/v1/lineage."),
    ErrorCode("unsupported-media-type", 415, "Unsupported content type", "Use application/json or application/x-ndjson."),
    ErrorCode("unsupported-encoding", 415, "Unsupported content encoding", "Use gzip, zstd or no encoding."),
    ErrorCode("too-large", 413, "The event or body is larger than allowed", "Split the body; see the limit in `detail`."),
    # signatures and keys
    ErrorCode("bad-signature", 422, "The signature does not verify", "Sign the exact payload bytes with DSSE PAE and Ed25519."),
    ErrorCode("unknown-key", 403, "The signing key is not registered", "Register the key: lineproof keys register."),
    ErrorCode("revoked-key", 403, "The signing key was revoked", "Use a valid key; see keyHistory."),
    ErrorCode("out-of-scope", 403, "The event is outside the key's scope", "Ask an admin to widen the scope, or sign with the key of that namespace."),
    ErrorCode("wrong-audience", 422, "The event is addressed to another log", "Set `audience` to the origin of this log."),
    # events
    ErrorCode("unknown-payload-type", 422, "Unknown payloadType", "Use one of the payload types in EVENTS."),
    ErrorCode("unknown-event-type", 422, "Unknown event type", "Use a type listed in docs/events.md."),
    ErrorCode("invalid-event", 422, "The event does not match its schema", "See `errors` for the fields."),
    ErrorCode("invalid-openlineage", 422, "The OpenLineage event cannot be placed", "It needs a job or dataset name and an eventTime."),
    ErrorCode("invalid-urn", 422, "Not a Lineproof URN", "urn:lineproof:<kind>:<component>…, percent-encoded."),
    ErrorCode("future-time", 422, "The event's time lies in the future", "Check the producer's clock."),
    ErrorCode("equivocation", 409, "Same event id, other bytes", "An event id names one event for ever; send a new id."),
    ErrorCode("rejected", 409, "The event was logged, its claim was rejected", "See `outcome`; a new try is a new event."),
    # the log
    ErrorCode("queue-full", 503, "The intake queue is full", "Retry after the time in Retry-After.", retriable=True),
    ErrorCode("no-space", 503, "The log's disk is full", "Free space; nothing acknowledged was lost.", retriable=True),
    ErrorCode("clock", 503, "The service's clock cannot be trusted", "Fix the clock of the host.", retriable=True),
    ErrorCode("log-unavailable", 503, "The log's store cannot be reached", "Retry; check the database.", retriable=True),
    ErrorCode("checkpoint-lock", 503, "Refusing to sign a smaller or inconsistent tree",
              "See docs/operations.md: restored backup, copied data directory or a second service."),
    ErrorCode("data-directory-locked", 503, "Another process writes this data directory", "Stop the other process or use --data with another directory."),
    ErrorCode("corrupt-log", 500, "The log does not verify", "Run lineproof log fsck; restore from a copy."),
    ErrorCode("invalid-proof", 422, "The proof does not verify", "The evidence was altered or belongs to another log."),
    ErrorCode("unanchored", 422, "No trust file was given", "Pass --trust FILE (lineproof keys trust)."),
    ErrorCode("invalid-manifest", 422, "Not a reproduction manifest", "Write one with lineproof manifest."),
    ErrorCode("not-rebuildable", 409, "The state cannot be rebuilt from what is kept", "See the reasons; what is missing has to be recorded and retained."),
    # access
    ErrorCode("unauthenticated", 401, "No valid credentials", "Send Authorization: Bearer <token>."),
    ErrorCode("forbidden", 403, "The credentials do not allow this", "Ask an admin for the role in `detail`."),
    # reading
    ErrorCode("not-found", 404, "There is no such thing", "Check the name."),
    ErrorCode("method-not-allowed", 405, "The address does not take this method", "See `Allow`."),
    ErrorCode("ambiguous-name", 409, "The name fits several entities", "Use <namespace>:<name>; see `candidates`."),
    ErrorCode("not-pinned", 409, "The model is not bound to this", "Ask for what its version was registered with, or register a new version."),
    ErrorCode("no-manifest", 409, "The stable binding has no pins", "Register the missing feature versions, then the model version again."),
    ErrorCode("retired", 409, "The deployment is not live", "Ask for the deployment that took its place."),
    ErrorCode("not-projected", 503, "The graph has not reached that position yet", "Retry shortly.", retriable=True),
    ErrorCode("position-beyond-log", 400, "The position lies beyond the log", "Ask for a size up to that of the checkpoint."),
    ErrorCode("not-historical", 400, "This field only knows the present", "Leave out `at`."),
    ErrorCode("not-in-snapshot", 400, "A snapshot does not hold this", "Ask the service or a data directory."),
    ErrorCode("invalid-position", 400, "Not a position", "Give a tree size or an RFC 3339 time."),
    ErrorCode("invalid-cursor", 400, "The cursor is not valid here", "Start from the first page."),
    ErrorCode("invalid-argument", 400, "An argument is out of range", "See `detail`."),
    ErrorCode("invalid-query", 400, "The GraphQL query is not valid", "See the message and its location."),
    ErrorCode("query-too-deep", 400, "The GraphQL query is nested too deeply", "Ask for less at once."),
    ErrorCode("query-too-wide", 400, "The GraphQL query has too many aliases", "Ask for less at once."),
    ErrorCode("query-too-long", 400, "The GraphQL query has too many tokens", "Ask for less at once."),
    ErrorCode("query-too-costly", 400, "The GraphQL query costs too much", "Lower `first` or ask for fewer fields."),
    ErrorCode("rebuilding", 503, "The graph is being rebuilt", "Retry later.", retriable=True),
    ErrorCode("internal", 500, "Something went wrong on our side", "Report the reference id."),
    # hooks and the command line
    ErrorCode("unreachable", 503, "The service cannot be reached", "Check the URL; the spool keeps events.", retriable=True),
    ErrorCode("spool-full", 503, "The local spool is full or its disk is", "Free space; the pipeline goes on, the event is counted as dropped."),
    ErrorCode("invalid-setting", 400, "A setting is not valid", "See lineproof settings."),
)


def _printable(value: object) -> object:
    """What callers sent stands in errors; half surrogate pairs and NUL, which answers and databases cannot hold, are shown as escapes."""
    if isinstance(value, str):
        return value if value.isascii() and "\0" not in value else value.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list) else value


class LineproofError(Exception):
    """Root of all errors. `code` is stable; `detail` says what was wrong here, `extra` carries machine-readable facts."""

    code: str = "internal"

    def __init__(self, detail: str, *, code: str | None = None, **extra: object) -> None:
        super().__init__(detail)
        if code is not None:
            self.code = code
        if self.code not in CODES:
            raise ValueError(f"unregistered error code {self.code!r}")
        self.detail = str(_printable(detail))
        self.extra = {name: _printable(value) for name, value in extra.items()}

    @property
    def entry(self) -> ErrorCode:
        """The catalogue entry of this error's code."""
        return CODES[self.code]

    def problem(self) -> dict[str, object]:
        """RFC 9457 problem details of this error."""
        entry = self.entry
        return {"type": f"urn:lineproof:error:{entry.code}", "title": entry.title, "status": entry.status, "code": entry.code,
                "detail": self.detail, "fix": entry.fix, **self.extra}
