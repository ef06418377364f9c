"""JSON whose parts come again: what was read before is recognised by its bytes, and what was made of it is kept with it.

A job that runs every minute sends its schema and its column lineage every minute. Its events differ in a run id and a time, so each is opened along
its outline (event, datasets, facets), and what stands below is looked up before it is parsed: equal bytes are one object, whatever follows from it is
worked out once, and comparing it with itself costs nothing.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
import orjson

__all__ = ["Known", "KnownList", "Parts", "made_of"]

# Bytes of JSON kept per generation. Parsed and with what was made of it, JSON takes some 20 times its bytes: two generations stay below 100 MB.
GENERATION_BYTES: Final = 2 << 20
LEAST_BYTES: Final = 64  # below, parsing is as cheap as looking up
MET_KEPT: Final = 16_384  # hashes of what was met once: only what comes again is kept
LEVELS: Final = {"job": 2, "dataset": 2, "inputs": 3, "outputs": 3}  # to the facets, which stand two levels below an entity; a run is never met again
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])

T = TypeVar("T")


class Known(dict[str, Any]):
    """A JSON object that may come again. Never to be changed; `made` keeps what follows from it."""

    __slots__ = ("made",)

    def __init__(self, items: Any = ()) -> None:
        super().__init__(items)
        self.made: dict[Any, Any] = {}


class KnownList(list[Any]):
    """The same of a JSON array."""

    __slots__ = ("made",)

    def __init__(self, items: Any = ()) -> None:
        super().__init__(items)
        self.made: dict[Any, Any] = {}


def made_of(value: Any, name: Any, make: Callable[[Any], T]) -> T:
    """`make(value)`, once for what is known. `make` depends on nothing else, and nobody changes what it gives."""
    if not isinstance(value, (Known, KnownList)):
        return make(value)
    made = value.made
    if name not in made:
        made[name] = make(value)
    found: T = made[name]
    return found


class Parts:
    """What was read, in two generations by bytes of JSON: what was not met during a whole generation is forgotten."""

    def __init__(self) -> None:
        self._new: dict[bytes, Any] = {}
        self._old: dict[bytes, Any] = {}
        self._bytes = 0
        self._met: set[int] = set()

    def read(self, payload: bytes) -> Any:
        """What `orjson.loads` reads.

        Raises:
            orjson.JSONDecodeError: it is not JSON.
        """
        try:
            return {key: self._open(bytes(part), LEVELS[key]) if key in LEVELS else orjson.loads(bytes(part))
                    for key, part in _OBJECT.decode(payload).items()}
        except (msgspec.MsgspecError, ValueError, RecursionError):  # it is broken somewhere, or no object: its reader has the last word
            return orjson.loads(payload)

    def _open(self, raw: bytes, levels: int) -> Any:
        if len(raw) < LEAST_BYTES:
            return orjson.loads(raw)
        found = self._new.get(raw)
        if found is None:
            found = self._old.get(raw)
            if found is None:
                found = self._parse(raw, levels)
            self._keep(raw, found)
        return found

    def _parse(self, raw: bytes, levels: int) -> Any:
        if levels == 0:
            value = orjson.loads(raw)
            return Known(value) if type(value) is dict else value
        match raw[:1]:
            case b"{":
                return Known({key: self._open(bytes(part), levels - 1) for key, part in _OBJECT.decode(raw).items()})
            case b"[":
                return [self._open(bytes(part), levels - 1) for part in _LIST.decode(raw)]
            case _:
                return orjson.loads(raw)

    def _keep(self, raw: bytes, value: Any) -> None:
        seen = hash(raw)
        if seen not in self._met:
            if len(self._met) >= MET_KEPT:
                self._met.clear()
            self._met.add(seen)
            return
        if self._bytes > GENERATION_BYTES:
            self._old, self._new, self._bytes = self._new, {}, 0
        self._new[raw] = value
        self._bytes += len(raw)
