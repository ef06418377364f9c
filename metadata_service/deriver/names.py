"""From a table's name in SQL to the dataset it means, among those that a run names and those that the graph knows."""
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from metadata_service.deriver.plain_run import NamedDataset

__all__ = ["dotted", "last_part", "meant"]

_BETWEEN: Final = re.compile(r"[./\\]+")


def dotted(name: str) -> str:
    """A dataset's name as SQL would spell it: `warehouse/db.db/orders` is `warehouse.db.db.orders`."""
    return ".".join(_parts(name))


def last_part(name: str) -> str:
    """The table's own name."""
    return (_parts(name) or [name])[-1]


def meant(written: str, datasets: Iterable[NamedDataset]) -> list[NamedDataset]:
    """The datasets that a table written so may be: those that share the longest tail with it, if that is all of one of the names.

    More than one: the name does not tell. A file that is read by its path is the dataset with that path.
    """
    wanted = _parts(written.casefold())
    best: dict[int, list[NamedDataset]] = {}
    for dataset in datasets:
        if written.casefold() in (f"{dataset.namespace}/{dataset.name.lstrip('/')}".casefold(), dataset.name.casefold()):
            length = len(wanted) + 1
        else:
            length = max(_tail(wanted, _parts(name.casefold())) for name in (dataset.name, *dataset.aliases))
        if length:
            best.setdefault(length, []).append(dataset)
    return best[max(best)] if best else []


def _parts(name: str) -> list[str]:
    return [part for part in _BETWEEN.split(name.partition("://")[2] or name) if part]


def _tail(one: Sequence[str], other: Sequence[str]) -> int:
    """How many parts the two share at their ends, if that is all of one of them."""
    shared = min(len(one), len(other))
    return shared if shared and list(one[-shared:]) == list(other[-shared:]) else 0
