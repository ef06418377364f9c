"""The scrubber beside the service: one thread that reads the log again, its findings as metrics and in `/readyz`."""
from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from lineproof_audit.folder import open_folder
from lineproof_audit.log import Log
from lineproof_audit.scrub import Scrubber
from metadata_service.settings import Settings
from metadata_service.telemetry import Metrics

__all__ = ["scrubber_of", "scrubbing", "trouble_of"]

STANDPOINT: Final = "scrub.json"  # in the data directory


def scrubber_of(settings: Settings, log: Log) -> Scrubber | None:
    """The scrubber of this log, None if the settings want none."""
    if settings.scrub_rate == 0:
        return None
    published = open_folder(settings.tiles_url or settings.data / "tiles")
    return Scrubber(log.store, settings.data / STANDPOINT, log.origin, rate=settings.scrub_rate, published=published)


def trouble_of(scrubber: Scrubber | None) -> dict[str, Any] | None:
    """What the scrubber knows to be wrong, for `/readyz`; None while it knows of nothing."""
    trouble = None if scrubber is None else scrubber.scrubbed.trouble
    return None if trouble is None else {"code": trouble.code, "errors": trouble.errors, "firstBadIndex": trouble.first_bad_index, "kind": trouble.kind}


@asynccontextmanager
async def scrubbing(scrubber: Scrubber | None, metrics: Metrics) -> AsyncIterator[None]:
    """Scrub in a thread; on leaving, its standpoint is kept."""
    if scrubber is None:
        yield
        return
    metrics.scrub_position.set_function(lambda: scrubber.position)
    metrics.scrub_passes.set_function(lambda: scrubber.scrubbed.passes)
    metrics.scrub_completed.set_function(lambda: scrubber.scrubbed.completed or 0)
    metrics.scrub_errors.set_function(lambda: 0 if (trouble := scrubber.scrubbed.trouble) is None else trouble.errors)
    metrics.scrub_first_bad.set_function(
        lambda: -1 if (trouble := scrubber.scrubbed.trouble) is None or trouble.first_bad_index is None else trouble.first_bad_index)
    stop = threading.Event()
    thread = threading.Thread(target=scrubber.run, args=(stop,), name="lineproof-scrub", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        await asyncio.to_thread(thread.join)
