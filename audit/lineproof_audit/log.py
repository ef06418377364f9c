"""A log as one object: opened, appended to, read, integrated, closed."""
from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from lineproof_audit.append import QUEUE_ENTRIES, Appender
from lineproof_audit.clock import Clock
from lineproof_audit.cosigning import PATIENCE_SECONDS, Cosigners, quorum_of
from lineproof_audit.errors import CorruptLog, KeyFileError, LogUnavailable
from lineproof_audit.folder import open_folder
from lineproof_audit.held_keys import HeldKeys, LogSigners
from lineproof_audit.identity import TenantSecrets
from lineproof_audit.init import LOG_KEY, NOTARY_KEY, ROOT_ADMIN_KEY, choose_origin, initialise, load_or_make_key
from lineproof_audit.integrate import Integrator
from lineproof_audit.keyring import Keyring
from lineproof_audit.keys import SigningKey
from lineproof_audit.lock import RECORD_NAME, FileCheckpointLock, state_directory
from lineproof_audit.publish import Publication
from lineproof_audit.reader import LogReader
from lineproof_audit.store import LogStore, StoredEntry
from lineproof_audit.store_sqlite import SqliteStore
from lineproof_audit.trust import load_trust
from lineproof_audit.witness import Group, Witness

__all__ = ["Log", "LogReader", "StoredEntry", "open_store"]

_Part = TypeVar("_Part")


def open_store(target: str | Path, *, readonly: bool = False) -> LogStore:
    """The store behind a data directory or a `postgresql://…` URL; nothing is created in it.

    Raises:
        DataDirectoryLocked: another process writes the directory.
        LogUnavailable: reading only, and there is no log; or a URL of another database.
    """
    if isinstance(target, str) and "://" in target:
        if not target.startswith(("postgresql://", "postgresql+psycopg://", "postgres://")):
            raise LogUnavailable("a log lies in a directory or in a database at postgresql://…")
        from lineproof_audit.store_postgres import PostgresStore  # psycopg is an extra

        return PostgresStore(target, readonly=readonly)
    return SqliteStore(target, readonly=readonly)


class Log:
    """An open log. Make one with `Log.open`; it is a context manager.

    Attributes:
        origin: the log's name.
        reader: reads; always there.
        keyring: the fold of key and policy entries as they were when the log was opened.
        cosigners: the witnesses that its checkpoints are sent to; None without a policy.
        quorum: how many of which witnesses have to cosign; None without a policy.
    """

    def __init__(self, store: LogStore, origin: str, keyring: Keyring, appender: Appender | None, integrator: Integrator | None, keys_dir: Path | None,
                 notary: SigningKey | None, secrets: TenantSecrets | None, state_dir: Path, cosigners: Cosigners | None = None,
                 quorum: Witness | Group | None = None) -> None:
        self.store = store
        self.origin = origin
        self.keyring = keyring
        self.reader = LogReader(store)
        self.state_dir = state_dir
        self.keys_dir = keys_dir
        self.cosigners = cosigners
        self.quorum = quorum
        self._appender = appender
        self._integrator = integrator
        self._notary = notary
        self._secrets = secrets

    @classmethod
    def open(cls, target: str | Path, *, create: bool = False, readonly: bool = False, data: Path | str | None = None, state_dir: Path | str | None = None,
             checkpoint_lock: Path | str | None = None, tiles: Path | str | None = None, queue_size: int = QUEUE_ENTRIES,
             witnesses: Path | str | None = None, patience: float = PATIENCE_SECONDS, clock: Clock | None = None) -> Log:
        """Open a log.

        Args:
            target: a data directory (SQLite), or a PostgreSQL URL.
            create: begin a log if there is none: keys in `<data>/keys`, the root admin key in the log's state directory.
            readonly: for other processes (projector, command line): no keys, no lock, no appender.
            data: where `keys/` lies when `target` is a URL; every API process needs the same keys.
            state_dir: base of the state directories, see `lock.state_directory`.
            checkpoint_lock: the lock record, by default in the log's state directory.
            tiles: path or fsspec URL of the folder the log is published to as tlog-tiles, by default `tiles/` beside `keys/`.
            witnesses: a C2SP tlog-policy with the URLs of the witnesses that checkpoints are sent to; `patience` as `Cosigners` has it.

        Raises:
            LogUnavailable: there is no log, or its database cannot be reached.
            DataDirectoryLocked: another process writes this directory.
            KeyFileError: a key is missing, readable by others, or not one of this log's.
            CheckpointLockError: creating, and the record says that this log has signed before.
            CorruptLog: the log does not begin with a valid genesis.
            TrustFileError: the witness policy is none, or not of this log.
        """
        store = open_store(target, readonly=readonly)
        try:
            if readonly:
                origin, keyring = _founding(store)
                return cls(store, origin, keyring, None, None, None, None, None, state_directory(origin, state_dir), quorum=_quorum(witnesses, origin))
            home = Path(data) if data is not None else Path(target)
            if data is None and not isinstance(store, SqliteStore):
                raise KeyFileError("a log in a database needs `data`: the directory whose keys/ holds log and notary key")
            keys_dir = home / "keys"
            if create:
                _found(store, keys_dir, state_dir, checkpoint_lock, clock)
            origin, keyring = _founding(store)
            reader = LogReader(store)
            size = reader.size()
            notary = HeldKeys(keys_dir, NOTARY_KEY).newest(keyring, "notary", size)
            log_keys = HeldKeys(keys_dir, LOG_KEY)
            log_keys.newest(keyring, "log", size)  # a log that cannot be signed fails here and not at its first checkpoint
            secrets = TenantSecrets.load(keys_dir)
            store.bind_secret(secrets.check)
            state = state_directory(origin, state_dir)
            quorum = _quorum(witnesses, origin)
            cosigners = None if quorum is None else Cosigners(quorum, reader.consistency_proof, patience=patience)
            integrator = Integrator(store, origin, LogSigners(reader, log_keys), FileCheckpointLock(checkpoint_lock or state / RECORD_NAME),
                                    publication=Publication(open_folder(tiles or home / "tiles"), reader), cosigners=cosigners, clock=clock)
            appender = Appender(store, notary, secrets, queue_size=queue_size, clock=clock)
            appender.stopped = integrator.contradiction
            return cls(store, origin, keyring, appender, integrator, keys_dir, notary, secrets, state, cosigners, quorum)
        except BaseException:
            store.close()
            raise

    @property
    def appender(self) -> Appender:
        """Raises LogUnavailable if the log is open for reading only; `integrator`, `notary` and `secrets` too."""
        return _writable(self._appender)

    @property
    def integrator(self) -> Integrator:
        return _writable(self._integrator)

    @property
    def notary(self) -> SigningKey:
        return _writable(self._notary)

    @property
    def secrets(self) -> TenantSecrets:
        return _writable(self._secrets)

    def close(self) -> None:
        """Commit what is queued, then let go of everything. Idempotent."""
        if self._appender is not None:
            self._appender.close()
        if self.cosigners is not None:
            self.cosigners.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _found(store: LogStore, keys_dir: Path, state_dir: Path | str | None, checkpoint_lock: Path | str | None, clock: Clock | None) -> None:
    """Begin the log unless it has begun."""
    store.create()
    if store.head().size:
        return
    origin = choose_origin(keys_dir)
    state = state_directory(origin, state_dir)
    initialise(store, keys_dir=keys_dir, admin_key=load_or_make_key(state, ROOT_ADMIN_KEY, origin), origin=origin,
               lock=FileCheckpointLock(checkpoint_lock or state / RECORD_NAME), clock=clock)


def _founding(store: LogStore) -> tuple[str, Keyring]:
    keyring = Keyring()
    reader = LogReader(store)
    if reader.size() == 0:
        raise LogUnavailable(f"{store.location} holds no log yet")
    for entry in reader.control_entries():
        keyring.apply(entry.index, entry.fields, entry.envelope)
    if keyring.origin is None:
        raise CorruptLog(f"{store.location} does not begin with a valid genesis", index=0)
    return keyring.origin, keyring


def _quorum(witnesses: Path | str | None, origin: str) -> Witness | Group | None:
    return None if witnesses is None else quorum_of(load_trust(witnesses), origin)


def _writable(part: _Part | None) -> _Part:
    if part is None:
        raise LogUnavailable("this log is open for reading only")
    return part
