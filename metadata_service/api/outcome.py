"""What became of an entry that was just appended."""
from __future__ import annotations

import asyncio
import time
from typing import Final

from metadata_service.api.services import Services
from metadata_service.graph.ops import EntryRecord

__all__ = ["outcome_of"]

FIRST_POLL_SECONDS: Final = 0.01
LONGEST_POLL_SECONDS: Final = 0.25


async def outcome_of(services: Services, index: int) -> EntryRecord | None:
    """Poll the graph for what became of an entry, until the longest wait is over; whoever learns of it reads it from then on."""
    deadline = time.monotonic() + services.settings.wait_seconds
    pause = FIRST_POLL_SECONDS
    while True:
        record = await services.graph.outcome(index)
        if record is not None:
            services.resolutions.saw(index + 1)
        if record is not None or time.monotonic() + pause > deadline:
            return record
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LONGEST_POLL_SECONDS)
