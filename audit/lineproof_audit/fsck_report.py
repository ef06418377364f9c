"""What fsck found: findings as they come, and the report that is made of them."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lineproof_audit.note import NoteVerifier

__all__ = ["MAX_FINDINGS", "Finding", "Findings", "FsckReport"]

# A log that is wrong from one entry on is wrong in millions of places; the first thousand of each severity say all there is to know.
MAX_FINDINGS = 1_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. `index` is None if it concerns the log as a whole; `severity` is `error` or `warning`; `kind` is stable."""

    severity: str
    kind: str
    index: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class FsckReport:
    """The result. `ok` means no error; `first_bad_index` is the lowest entry with an error (None if there is none, or only the
    log as a whole is wrong). `findings` hold at most `MAX_FINDINGS` of each severity, errors first, by entry; `errors` and `warnings`
    count all. `signatures`: whether those were checked; `bodies`: `all`, `control` if the source shows only those of genesis, key and policy
    entries, `none`."""

    origin: str | None
    entries: int
    checkpoint_size: int | None
    root: bytes | None
    errors: int
    warnings: int
    first_bad_index: int | None
    findings: tuple[Finding, ...]
    signatures: bool = True
    bodies: str = "all"
    log_keys: tuple[NoteVerifier, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the log is what was signed."""
        return self.errors == 0

    def to_json(self) -> dict[str, Any]:
        """JSON-able form."""
        return {"ok": self.ok, "origin": self.origin, "entries": self.entries, "checkpointSize": self.checkpoint_size, "signaturesChecked": self.signatures,
                "bodiesChecked": self.bodies,
                "rootHash": self.root.hex() if self.root else None, "errors": self.errors, "warnings": self.warnings, "firstBadIndex": self.first_bad_index,
                "findings": [{"severity": item.severity, "kind": item.kind, "index": item.index, "detail": item.detail} for item in self.findings]}


class Findings:
    """Gathers findings. `told` is given each error as it is found."""

    def __init__(self, told: Callable[[Finding], None] | None = None) -> None:
        self._told = told
        self._kept: dict[str, list[Finding]] = {"error": [], "warning": []}
        self._count = {"error": 0, "warning": 0}
        self.first_bad: int | None = None

    @property
    def errors(self) -> int:
        return self._count["error"]

    @property
    def warnings(self) -> int:
        return self._count["warning"]

    def error(self, kind: str, index: int | None, detail: str) -> None:
        """Corruption."""
        finding = Finding("error", kind, index, detail)
        self._add(finding)
        if index is not None and (self.first_bad is None or index < self.first_bad):
            self.first_bad = index
        if self._told is not None:
            self._told(finding)

    def warning(self, kind: str, index: int | None, detail: str) -> None:
        """What a sound log may hold."""
        self._add(Finding("warning", kind, index, detail))

    def ordered(self) -> tuple[Finding, ...]:
        """Errors first, by entry, what concerns the log as a whole last; verdicts on bodies come later than those on their leaves."""
        return tuple(finding for severity in ("error", "warning")
                     for finding in sorted(self._kept[severity], key=lambda finding: (finding.index is None, finding.index or 0)))

    def _add(self, finding: Finding) -> None:
        self._count[finding.severity] += 1
        if len(self._kept[finding.severity]) < MAX_FINDINGS:
            self._kept[finding.severity].append(finding)
