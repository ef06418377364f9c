"""What a change breaks, and whether a policy lets it in."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from metadata_service.gate.schemas import Change

__all__ = ["Checked", "FailOn", "breaking", "fails", "possible", "things"]

Impact = dict[str, Any]  # as `lineproof impact --json` gives it


class FailOn(StrEnum):
    """What makes the gate fail."""

    breaking = "breaking"
    live = "live"
    possible = "possible"
    never = "never"


@dataclass(frozen=True, slots=True)
class Checked:
    """A change and its impact; None with `why` if it is not known what the change touches. `mended` are readers that the same pull request makes read it
    no more, or takes away themselves; what gets to them by that step alone is not in the impact."""

    change: Change
    impact: Impact | None
    why: str | None = None
    mended: tuple[str, ...] = ()


def things(checked: Checked) -> list[dict[str, Any]]:
    """What is affected, the worst first, of that what is live, then the nearest; the columns of a dataset stand in its own item."""
    return [] if checked.impact is None else [item for item in checked.impact["affected"] if item["kind"] != "COLUMN"]


def breaking(checked: Iterable[Checked]) -> int:
    """How many tables, features, models and consumers break for certain; one is counted for each change that breaks it."""
    return sum(item["severity"] == "BREAKING" for each in checked for item in things(each))


def possible(checked: Iterable[Checked]) -> int:
    """How many may break, a change of which nothing is known counted as one."""
    return sum(1 if each.impact is None else sum(item["severity"] == "POSSIBLE" for item in things(each)) for each in checked)


def fails(checked: Checked, policy: FailOn) -> bool:
    """Whether the policy keeps this change out. `live`: it breaks what people or services use now, a live deployment or a consumer.
    `possible`: also what is not certain, or not known."""
    broken = [item for item in things(checked) if item["severity"] == "BREAKING"]
    match policy:
        case FailOn.never:
            return False
        case FailOn.live:
            return any(item["deployments"] or item["kind"] == "CONSUMER" for item in broken)
        case FailOn.breaking:
            return bool(broken)
        case FailOn.possible:
            return possible([checked]) > 0 or bool(broken)
