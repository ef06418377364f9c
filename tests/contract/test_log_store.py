"""What every store of the log guarantees, on SQLite and on PostgreSQL."""
from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lineproof_audit.bodies import pack
from lineproof_audit.errors import CorruptLog, LogUnavailable, NoSuchEntry
from lineproof_audit.leaf import Leaf, body_commitment, encode_leaf
from lineproof_audit.store import Derived, Head, LogStore, NewRow, SignedCheckpoint
from lineproof_audit.store_sqlite import SqliteStore
from lineproof_audit.tree import CompactRange, leaf_hash

OpenStore = Callable[[], LogStore]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def another(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    """Opens one more store on the same log, as another process would: for PostgreSQL writing, for SQLite reading only."""
    opened: list[LogStore] = []
    url = request.getfixturevalue("postgres_database") if request.param == "postgres" else None

    def open_store() -> LogStore:
        store: LogStore
        if url is not None:
            from lineproof_audit.store_postgres import PostgresStore

            store = PostgresStore(url)
        else:
            store = SqliteStore(tmp_path / "data", readonly=bool(opened))
        opened.append(store)
        return store

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture
def store(another: OpenStore) -> LogStore:
    store = another()
    store.create()
    return store


def row(index: int, event_type: str = "openlineage.run", received: int = 1_000, body: bytes = b"{}") -> NewRow:
    salt = os.urandom(32)
    fields = Leaf(1, "application/vnd.openlineage+json", event_type, "0" * 32, "a" * 64, "PRODUCER", None, 0, body_commitment(salt, body))
    leaf = encode_leaf(Leaf(1, fields.media_type, fields.event_type, fields.tenant, fields.signer, fields.signed_by, None, received, fields.body))
    return NewRow(index, leaf, fields, received, salt, pack(body), b"identity%08d" % index, b"payload")


def write(store: LogStore, *rows: NewRow) -> None:
    with store.append() as transaction:
        tree = transaction.head.tree.copy()
        for item in rows:
            tree.append(leaf_hash(item.leaf))
        transaction.insert(rows, Head(tree.size, rows[-1].received, tree))


def test_what_was_committed_is_read_back(store: LogStore) -> None:
    rows = [row(0), row(1, received=2_000)]
    write(store, *rows)
    assert [(r.index, r.leaf, r.salt, r.body) for r in store.rows(0, 10)] == [(r.index, r.leaf, r.salt, r.body) for r in rows]
    assert store.leaves(1, 2) == [rows[1].leaf]
    head = store.head()
    assert (head.size, head.last_received, head.tree.size) == (2, 2_000, 2)
    assert store.received(1) == 2_000
    assert store.derived(1) == Derived(2_000, "openlineage.run", "application/vnd.openlineage+json", "0" * 32, "a" * 64, "PRODUCER", None)
    assert store.derived(2) is None
    assert store.derived_between(1, 9) == {1: store.derived(1)}
    with pytest.raises(NoSuchEntry):
        store.received(2)


def test_another_process_reads_what_was_committed(store: LogStore, another: OpenStore) -> None:
    write(store, row(0))
    assert another().head().size == 1


def test_an_exception_inside_a_batch_leaves_nothing_behind(store: LogStore) -> None:
    def fail() -> None:
        with store.append() as transaction:
            tree = transaction.head.tree.copy()
            item = row(0)
            tree.append(leaf_hash(item.leaf))
            transaction.insert([item], Head(1, 1_000, tree))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert store.head().size == 0
    assert store.rows(0, 1) == []
    write(store, row(0))
    assert store.head().size == 1


def test_an_index_or_identity_cannot_be_used_twice(store: LogStore) -> None:
    write(store, row(0))
    with pytest.raises(CorruptLog):
        write(store, row(0))
    second = row(1)
    with pytest.raises(CorruptLog):
        write(store, NewRow(1, second.leaf, second.fields, second.received, second.salt, second.body, row(0).identity, second.payload))
    assert store.head().size == 1
    assert len(store.rows(0, 9)) == 1


def test_taken_identities_are_known_to_a_later_batch(store: LogStore) -> None:
    items = [row(n) for n in range(5)]
    write(store, *items)
    with store.append() as transaction:
        known = transaction.known([items[3].identity, b"nobody's"])
        assert {key: (value.index, value.payload) for key, value in known.items()} == {items[3].identity: (3, b"payload")}
        assert transaction.rows([3])[3].leaf == items[3].leaf


def test_batches_of_two_threads_follow_one_another(store: LogStore, another: OpenStore, request: pytest.FixtureRequest) -> None:
    stores = [store, another()] if "postgres" in request.node.callspec.id else [store, store]
    failures: list[BaseException] = []

    def work(mine: LogStore) -> None:
        try:
            for _ in range(20):
                with mine.append() as transaction:
                    tree = transaction.head.tree.copy()
                    items = [row(transaction.head.size), row(transaction.head.size + 1)]
                    for item in items:
                        tree.append(leaf_hash(item.leaf))
                    transaction.insert(items, Head(tree.size, 1_000, tree))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(each,)) for each in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    found = store.rows(0, 1_000)
    assert [r.index for r in found] == list(range(80))
    tree = CompactRange()
    for item in found:
        tree.append(leaf_hash(item.leaf))
    assert store.head().tree == tree


def test_erasing_takes_salt_and_body_and_keeps_leaf_and_identity(store: LogStore) -> None:
    items = [row(0), row(1), row(2, "lineproof.erasure.v1")]
    write(store, *items)
    for no_evidence in (1, 99, -1):
        with pytest.raises(CorruptLog, match="no erasure entry"):
            store.erase_body(0, no_evidence)
    store.erase_body(0, 2)
    store.erase_body(0, 2)
    store.forget()
    assert [(r.leaf, r.salt, r.body) for r in store.rows(0, 2)] == [(items[0].leaf, None, None), (items[1].leaf, items[1].salt, items[1].body)]
    with store.append() as transaction:
        assert transaction.known([items[0].identity])[items[0].identity].index == 0
        assert transaction.rows([0])[0].salt is None


@pytest.mark.parametrize("event_type", ["lineproof.genesis.v1", "lineproof.key.v1", "lineproof.policy.v1", "lineproof.alias.v1", "lineproof.erasure.v1"])
def test_what_the_log_stands_on_is_never_erased(store: LogStore, event_type: str) -> None:
    write(store, row(0, event_type))
    with pytest.raises(CorruptLog):
        store.erase_body(0, 1)
    with pytest.raises(NoSuchEntry):
        store.erase_body(7, 1)
    assert store.rows(0, 1)[0].body is not None


def test_control_entries_are_found_in_order(store: LogStore) -> None:
    types = ["lineproof.genesis.v1", "openlineage.run", "lineproof.key.v1", "openlineage.job", "lineproof.policy.v1", "lineproof.erasure.v1"]
    write(store, *[row(index, name) for index, name in enumerate(types)])
    assert store.control_indices(0, 6) == [0, 2, 4, 5]
    assert store.control_indices(1, 4) == [2]


def test_waiting_ends_when_the_log_has_grown(store: LogStore, another: OpenStore) -> None:
    reader = another()
    write(store, row(0))
    assert reader.wait_for(1, 0) == 1
    assert reader.wait_for(2, 0.05) == 1
    timer = threading.Timer(0.2, lambda: write(store, row(1)))
    timer.start()
    try:
        assert reader.wait_for(2, 30) == 2
    finally:
        timer.join()


def test_tiles_move_only_from_the_size_and_epoch_they_were_made_for(store: LogStore) -> None:
    epoch = store.elect()
    assert epoch is not None
    assert store.elect() == epoch
    tree = CompactRange(1, [b"h" * 32])
    assert not store.extend_tree(epoch + 1, 0, tree, {(0, 0): b"h" * 32})
    assert not store.extend_tree(epoch, 5, tree, {(0, 0): b"h" * 32})
    assert store.tiles([(0, 0)]) == {}
    assert store.extend_tree(epoch, 0, tree, {(0, 0): b"h" * 32})
    assert store.tiles([(0, 0), (1, 0)]) == {(0, 0): b"h" * 32}
    assert (store.integrated().tree, store.integrated().epoch) == (tree, epoch)
    assert store.extend_tree(epoch, 1, CompactRange(2, [b"i" * 32]), {(0, 0): b"h" * 32 + b"j" * 32})
    assert store.tiles([(0, 0)]) == {(0, 0): b"h" * 32 + b"j" * 32}


def test_the_largest_and_the_covering_checkpoint(store: LogStore) -> None:
    epoch = store.elect()
    assert epoch is not None
    assert store.checkpoint() is None
    for size in (1, 4, 9):
        assert store.publish(epoch, SignedCheckpoint(size, b"r" * 32, f"note {size}", size))
    assert not store.publish(epoch + 1, SignedCheckpoint(10, b"r" * 32, "note 10", 10))
    latest, covering = store.checkpoint(), store.checkpoint_covering(4)
    assert latest is not None
    assert covering is not None
    assert (latest.size, latest.note, covering.size) == (9, "note 9", 4)
    assert store.checkpoint_covering(10) is None


def test_the_dedupe_secret_is_bound_once(store: LogStore) -> None:
    store.bind_secret(b"one")
    store.bind_secret(b"one")
    with pytest.raises(LogUnavailable, match="secret"):
        store.bind_secret(b"two")


def test_creating_again_changes_nothing(store: LogStore) -> None:
    write(store, row(0))
    store.create()
    assert store.head().size == 1


def test_a_closed_store_says_so(store: LogStore) -> None:
    store.close()
    store.close()
    with pytest.raises(LogUnavailable):
        store.head()
    with pytest.raises(LogUnavailable), store.append():
        pass


def test_what_moving_a_log_needs_is_read_in_order(store: LogStore) -> None:
    assert (store.checkpoints_after(-1, 9), store.identities(0, 9), store.secret_check()) == ([], {}, None)
    write(store, row(0), row(1), row(2))
    store.bind_secret(b"check")
    epoch = store.elect()
    assert epoch is not None
    published = [SignedCheckpoint(size, bytes(32), f"note {size}", 1) for size in (3, 1, 2)]
    assert all(store.publish(epoch, checkpoint) for checkpoint in published)
    assert [checkpoint.size for checkpoint in store.checkpoints_after(-1, 2)] == [1, 2]
    assert store.checkpoints_after(2, 9) == published[:1]
    assert store.identities(1, 3) == {1: (b"identity00000001", b"payload"), 2: (b"identity00000002", b"payload")}
    assert store.secret_check() == b"check"
