"""How often Python looks for cycles in a process that makes millions of short-lived objects and few cycles.

By default it looks after every 700 new containers; parsing one event makes hundreds of them, which all stay alive until their batch is done.
Measured with `make bench`: a sixth of the projector's time.
"""
from __future__ import annotations

import gc
from typing import Final

__all__ = ["relax"]

# Some 40 MB of them at most before the young generation is looked at: more than a batch of the projector, so that most are gone by then and not looked at.
NEW_CONTAINERS: Final = 200_000
GENERATIONS: Final = (20, 50)


def relax() -> None:
    """Look rarely, and never again at what was there at the start: modules, models, the schema."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_CONTAINERS, *GENERATIONS)
