"""Waiting that ends early when it is time to stop."""
from __future__ import annotations

import asyncio

__all__ = ["pause"]



async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until asked to stop."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
