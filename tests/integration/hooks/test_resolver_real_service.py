"""The resolver client against the real service: pins, aliases that move, a service that is killed and comes back."""
from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from ingest_hooks import Emitter, ResolveError, Resolver
from tests.integration.hooks.service import running


def until(done: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_serving_gets_pins_and_goes_on_while_the_service_is_down(tmp_path):
    (tmp_path / "service").mkdir()
    with running(tmp_path / "service") as service:
        key = service.command("keys", "create", "ci", "-n", "ml")
        token = service.command("tokens", "create", "ci", "--role", "ingest", "--role", "reader")["token"]
        emitter = Emitter(key=key["path"], token=token, url=service.url, spool=tmp_path / "spool")
        for version in ("1", "2"):
            emitter.feature_version(namespace="ml", name="delay", version=version, column={"namespace": "db", "name": "t", "column": "delay"},
                                    definition={"entities": ["flight"], "dtype": "int", "sql": f"select {version}"},
                                    online={"uri": f"redis://delay/{version}"})
        emitter.alias(kind="feature", namespace="ml", name="delay", alias="prod", to="1")
        emitter.model_version(namespace="ml", name="model", version="1", artifact="a" * 64, features=["ml:delay@prod"])
        assert emitter.flush(30), emitter.stats()
        first = next(ack.index for ack in emitter.acknowledgements() if ack.sequence == 3)

        def serves() -> bool:
            try:
                return Resolver("ml:model@1", url=service.url, token=token).one("ml:delay").version == "1"
            except ResolveError:
                return False

        until(serves)
        pinned = Resolver("ml:model@1", url=service.url, token=token, cache=tmp_path / "pins.json")
        assert (pinned.one("ml:delay").via, pinned.one("ml:delay").online["uri"]) == ("pin", "redis://delay/1")
        with pytest.raises(ResolveError) as refused:
            pinned.one("ml:delay@2")
        assert refused.value.code == "not-pinned"

        emitter.alias(kind="feature", namespace="ml", name="delay", alias="prod", to="2", expected=first)
        assert emitter.flush(30)
        until(lambda: Resolver(url=service.url, token=token).one("ml:delay@prod").version == "2")
        assert Resolver("ml:model@1", url=service.url, token=token).one("ml:delay@prod").version == "1"

        service.stop(signal.SIGKILL)
        assert pinned.one("ml:delay").version == "1"
        restarted = Resolver("ml:model@1", url=service.url, token=token, cache=tmp_path / "pins.json").one("ml:delay")
        assert (restarted.version, restarted.stale) == ("1", True)
        with pytest.raises(ResolveError) as down:
            Resolver("ml:model@1", url=service.url, token=token).one("ml:delay")
        assert down.value.code == "unreachable"
        service.start()
        until(serves)
        emitter.close(5)
