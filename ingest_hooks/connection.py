"""From settings to an open spool, a signer and a sender: everything an emitter needs and opens at its first event.

Argument wins over environment, environment over the `<name>.json` beside the key (origin, url):
LINEPROOF_URL, LINEPROOF_KEY, LINEPROOF_TOKEN, LINEPROOF_SPOOL, LINEPROOF_SOURCE, LINEPROOF_NAMESPACE.
"""
from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_hooks.counts import Counts
from ingest_hooks.dead import DeadLetters
from ingest_hooks.errors import SettingError
from ingest_hooks.segment import StreamHead
from ingest_hooks.sender import Sender
from ingest_hooks.signer import Signer
from ingest_hooks.spool import Spool

if TYPE_CHECKING:
    from lineproof_audit.keys import SigningKey

__all__ = ["Connection", "Settings", "connect", "settings_from_env"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Where events go, and as whom. `key` is a PKCS#8 PEM or a loaded key; `spool` a folder."""

    url: str | None
    key: Path | SigningKey | None
    token: str | None
    spool: Path
    source: str
    audience: str | None
    max_spool_bytes: int


@dataclass(slots=True)
class Connection:
    """What is open. `head` is the stream's head in memory; it runs ahead of the spool's when events were dropped."""

    signer: Signer
    spool: Spool
    sender: Sender | None
    head: StreamHead


def settings_from_env(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The LINEPROOF_* settings of this process, by argument name of `Emitter`."""
    names = ("url", "key", "token", "spool", "source", "namespace")
    return {name: value for name in names if (value := environ.get(f"LINEPROOF_{name.upper()}"))}


def default_spool() -> Path:
    """`$XDG_STATE_HOME/lineproof/spool`: outlives the job's working directory, belongs to the user."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "lineproof" / "spool"


def connect(settings: Settings, counts: Counts, dead: DeadLetters) -> Connection:
    """Load the key, open the spool, start the sender.

    Raises:
        SettingError: no key, no audience. KeyFileError: a key that cannot be used. SpoolLockedError, OSError: no spool.
    """
    key, audience, url = _identity(settings)
    spool = Spool.open(settings.spool, max_bytes=settings.max_spool_bytes)
    sender: Sender | None = None
    if url is None:
        counts.trouble("no-url", f"no service URL is set; events wait in {spool.directory}")
    else:
        sender = Sender(spool, url=url, token=settings.token, counts=counts, dead=dead)
        try:
            sender.start()
        except RuntimeError as error:  # the interpreter is shutting down; the next process sends what is spooled
            counts.trouble("no-thread", f"the sender cannot start ({error}); events wait in {spool.directory}")
            sender = None
    return Connection(Signer(key, audience), spool, sender, spool.head)


def _identity(settings: Settings) -> tuple[SigningKey, str, str | None]:
    from lineproof_audit.keys import KeyInfo, SigningKey

    if settings.key is None:
        raise SettingError("no signing key is set (argument `key` or LINEPROOF_KEY)")
    if isinstance(settings.key, SigningKey):
        if settings.audience is None:
            raise SettingError("a key without a file needs `audience`, the origin of the log")
        return settings.key, settings.audience, settings.url
    key = SigningKey.load(settings.key)
    if settings.audience is not None and settings.url is not None:
        return key, settings.audience, settings.url
    info = KeyInfo.beside(settings.key)
    return key, settings.audience or info.origin, settings.url or info.url
