"""Two processes want to integrate one log, and the one that leads keeps losing its session without knowing it."""
from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import psycopg
import pytest

from lineproof_audit.init import register_key
from lineproof_audit.keys import SigningKey
from lineproof_audit.log import Log
from lineproof_audit.store_postgres import plain_url
from tests.faults.tally import FULL, SEED, TALLY
from tests.faults.verdict import Told, judge
from tests.log_entries import PRODUCER, new_entry

pytestmark = pytest.mark.postgres

LOST = 40 if FULL else 8
BATCH = 5


def test_only_one_of_two_integrators_signs_and_a_deposed_one_writes_nothing(postgres_database: str, tmp_path: Path) -> None:
    data, state = tmp_path / "data", tmp_path / "state"
    told: dict[str, Told] = {}
    stop = threading.Event()
    chance = random.Random(f"{SEED} integrators")

    def append(log: Log, name: str, tenant: str) -> None:
        sent = 0
        while not stop.is_set():
            events = [f"{name}-{sent + number}" for number in range(BATCH)]
            for event, future in zip(events, log.appender.submit_many(new_entry(event, tenant=tenant) for event in events), strict=True):
                ack = future.result(60)
                told[event] = Told(ack.index, ack.leaf.hex())
            sent += BATCH

    with Log.open(postgres_database, create=True, data=data, state_dir=state) as one, Log.open(postgres_database, data=data, state_dir=state) as two:
        assert one.keyring.policy is not None
        tenant = one.keyring.policy.tenants[0].id
        register_key(one.appender, SigningKey.load(one.state_dir / "root-admin.pem"), PRODUCER.verify_key, origin=one.origin, tenant=tenant)
        threads = [threading.Thread(target=append, args=(log, name, tenant)) for log, name in ((one, "one"), (two, "two"))]
        threads += [threading.Thread(target=log.integrator.run, args=(stop, 0.01)) for log in (one, two)]
        for thread in threads:
            thread.start()
        epochs = set()
        with psycopg.connect(plain_url(postgres_database), autocommit=True) as admin:
            while len(epochs) < LOST:
                time.sleep(chance.uniform(0.02, 0.2))
                before = one.store.integrated().epoch
                gone = admin.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 "
                                     "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").fetchall()
                TALLY.injected["session of the integrator cut off"] += len(gone)
                if gone:
                    epochs.add(before)
        stop.set()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        for log in (one, two):
            log.integrator.step()
        assert one.reader.integrated_size() == one.reader.size() == len(told) + 3
        assert one.store.integrated().epoch > LOST  # each loss was followed by an election
    judge(postgres_database, state, told, tiles=data / "tiles")
