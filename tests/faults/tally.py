"""What was done to the product in this run, and what it lost: counted as it happens, printed at the end by tests/conftest.py."""
from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from tests.faults.injection import Fault, Hit

__all__ = ["FULL", "SEED", "TALLY", "Tally"]

FULL = os.environ.get("FAULTS") == "full"  # every point instead of a sample, and longer storms
SEED = int(os.environ.get("FAULTS_SEED", "20261123"))


@dataclass
class Tally:
    """All numbers are counts of what was seen, not of what was meant."""

    injected: Counter[str] = field(default_factory=Counter)
    not_hit: int = 0
    acknowledged: int = 0
    lost: int = 0
    indices_used_twice: int = 0
    sent_again: int = 0
    other_answers: int = 0
    checkpoints: int = 0
    cases: int = 0

    def take(self, meant: Sequence[Fault], fired: Sequence[Hit]) -> None:
        """Count what fired, and what was meant and never reached."""
        self.injected.update(f"{hit.fault} {hit.call} on {hit.where}" for hit in fired)
        self.not_hit += sum(not any((hit.fault, hit.call) == (fault.what, fault.call) for hit in fired) for fault in meant)

    def told(self) -> dict[str, Any]:
        """All numbers, for another process to `add`."""
        return {each.name: dict(self.injected) if each.name == "injected" else getattr(self, each.name) for each in fields(self)}

    def add(self, told: Mapping[str, Any]) -> None:
        """Count what another process counted."""
        self.injected.update(told.get("injected", {}))
        for name, value in told.items():
            if name != "injected":
                setattr(self, name, getattr(self, name) + value)

    def lines(self) -> list[str]:
        """For the end of a run."""
        faults = ", ".join(f"{what} {times:,}" for what, times in sorted(self.injected.items()))
        return [f"injected {sum(self.injected.values()):,} faults in {self.cases:,} cases ({self.not_hit:,} more were never reached); seed {SEED}",
                f"  {faults}" if faults else "  none",
                f"acknowledged {self.acknowledged:,} events: lost {self.lost}, indices used twice {self.indices_used_twice}",
                f"sent {self.sent_again:,} of them again: {self.other_answers} answered with another index than the first time",
                f"{self.checkpoints:,} checkpoints agreed with the entries and with each other"]


TALLY = Tally()
