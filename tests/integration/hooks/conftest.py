"""A receiver on loopback, a key file, and emitters that end with the test."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest_hooks import Emitter
from lineproof_audit.keys import SigningKey
from tests.integration.hooks.receiver import Receiver, serving

ORIGIN = "log.example/test"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving(Receiver()) as running:
        yield running


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return SigningKey.generate().save(tmp_path / "keys", "producer", ORIGIN)


@pytest.fixture
def emitter(key: Path, tmp_path: Path) -> Iterator[Callable[..., Emitter]]:
    """Makes emitters with the test's key and spool; keyword arguments win."""
    made: list[Emitter] = []

    def make(**given: Any) -> Emitter:
        made.append(Emitter(**{"key": key, "spool": tmp_path / "spool", "token": "secret", **given}))
        return made[-1]

    yield make
    for one in made:
        one.close(0.1)
