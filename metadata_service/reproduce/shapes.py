"""The words of a manifest, shared by the side that writes one (`manifest`) and the side that reads one (`plan`)."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from lineproof_schema.models.lifecycle import REPRODUCTION_TYPE

__all__ = ["BUILD_TYPE", "MANIFEST_TYPE", "REPRODUCTION_TYPE", "STATEMENT_TYPE", "Closure", "Input", "Output", "Reason", "Step"]

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
MANIFEST_TYPE: Final = "https://lineproof.dev/rebuild/v1"
BUILD_TYPE: Final = "https://lineproof.dev/rebuild/v1/steps"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a state cannot be rebuilt: a stable code, the entity it is about, and a sentence."""

    code: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Input:
    """A dataset version that is taken as it is, not built.

    `retention` is `{state, kind, format, files, until, reference}`; state is `retained` (bytes in the artifact store), `held` (kept
    elsewhere under a hold) or `missing`.
    """

    version: str
    dataset: tuple[str, str]
    fp1: dict[str, Any] | None
    retention: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Output:
    """A dataset version that a step wrote: its fingerprint, and the rows themselves if they were retained."""

    version: str
    dataset: tuple[str, str]
    fp1: dict[str, Any] | None
    retention: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One run: its code by digests, its environment and engine, what it read and wrote.

    `facts` is the run's `lineproof_rebuild` facet; `reads` are (dataset version, whether the reader named it).
    """

    run: str
    job: tuple[str, str]
    transformation: str
    code: dict[str, Any]
    facts: dict[str, Any]
    compiled: str | None
    started: str | None
    finished: str | None
    signed_by: str | None
    reads: tuple[tuple[str, bool], ...]
    outputs: tuple[Output, ...]
    commit: str | None = None


@dataclass(slots=True)
class Closure:
    """What a walk back found: steps in the order in which they can run, inputs, and what is missing."""

    steps: list[Step] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)

    def lacks(self, code: str, subject: str, detail: str) -> None:
        """Note why it cannot be rebuilt, once."""
        reason = Reason(code, subject, detail)
        if reason not in self.reasons:
            self.reasons.append(reason)
