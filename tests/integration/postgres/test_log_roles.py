"""The log with its roles apart: what the service's role may do, each way around it, and what shows when an owner or superuser goes one."""
from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import errors, sql

from lineproof_audit.append import Appender
from lineproof_audit.errors import CheckpointLockError, CorruptLog
from lineproof_audit.fsck import fsck
from lineproof_audit.fsck_store import StoreSource
from lineproof_audit.log import Log
from lineproof_audit.store_postgres import PostgresStore, plain_url
from tests.log_entries import new_entry

pytestmark = pytest.mark.postgres


@dataclass
class Roles:
    """A log founded and written as the service's role, with entries 0 to 5 and a checkpoint of 6; connections as that role and as superuser."""

    log: Log
    owner: str
    service: psycopg.Connection[tuple[object, ...]]
    superuser: psycopg.Connection[tuple[object, ...]]

    def as_superuser(self, *statements: str) -> None:
        for statement in statements:
            self.superuser.execute(statement.encode())

    def findings(self) -> list[tuple[str, int | None]]:
        return [(item.kind, item.index) for item in fsck(StoreSource(self.log.store)).findings if item.severity == "error" and item.kind != "unknown-key"]


@pytest.fixture
def roles(postgres_database: str, tmp_path: Path) -> Iterator[Roles]:
    tag = uuid.uuid4().hex[:8]
    owner, service = f"owner_{tag}", f"service_{tag}"
    admin = PostgresStore(postgres_database)
    admin.hand_over(owner, service)
    admin.hand_over(owner, service)  # may be repeated
    admin.close()
    url = postgres_database.replace("//test@", f"//{service}@")
    with psycopg.connect(plain_url(postgres_database), autocommit=True) as superuser:
        try:
            with (Log.open(url, create=True, data=tmp_path / "data", state_dir=tmp_path / "state") as log,
                  psycopg.connect(plain_url(url), autocommit=True) as connection):
                for number in range(4):
                    log.appender.submit(new_entry(str(number))).result(30)
                assert log.integrator.step() is not None
                yield Roles(log, owner, connection, superuser)
        finally:
            superuser.execute("RESET ROLE")
            for role in (service, owner):
                superuser.execute(sql.SQL("DROP OWNED BY {0} CASCADE; DROP ROLE {0}").format(sql.Identifier(role)))


def test_the_services_role_does_all_that_a_service_does(roles: Roles) -> None:
    assert roles.findings() == []
    evidence = roles.log.appender.submit(new_entry("e", event_type="lineproof.erasure.v1")).result(30).index
    roles.log.store.erase_body(3, evidence)
    assert roles.log.reader.entry(3).envelope is None
    assert roles.log.integrator.step() is not None


BYPASSES = [
    *(f"{verb} lineproof_log.{table}{rest}" for table in ("entries", "bodies", "dedupe", "erasures")
      for verb, rest in (("UPDATE", " SET idx = idx + 1"), ("DELETE FROM", ""), ("TRUNCATE", ""))),
    "INSERT INTO lineproof_log.bodies VALUES (3, '\\x00', '\\x00') ON CONFLICT (idx) DO UPDATE SET envelope = excluded.envelope",
    "MERGE INTO lineproof_log.bodies b USING (VALUES (3)) v (i) ON b.idx = v.i WHEN MATCHED THEN DELETE",
    "WITH gone AS (DELETE FROM lineproof_log.entries RETURNING idx) SELECT * FROM gone",
    "INSERT INTO lineproof_log.erasures VALUES (3, 3)",
    "SET session_replication_role = replica",
    "ALTER TABLE lineproof_log.entries DISABLE TRIGGER ALL",
    "ALTER TABLE lineproof_log.entries DISABLE TRIGGER entries_rows",
    "DROP TRIGGER entries_rows ON lineproof_log.entries",
    "CREATE TRIGGER mine BEFORE INSERT ON lineproof_log.entries FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE RULE mine AS ON INSERT TO lineproof_log.entries DO INSTEAD NOTHING",
    "CREATE OR REPLACE FUNCTION lineproof_log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
    "CREATE FUNCTION lineproof_log.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TABLE mine (LIKE lineproof_log.entries); ALTER TABLE mine INHERIT lineproof_log.entries",
    "DROP TABLE lineproof_log.entries",
    "DROP SCHEMA lineproof_log CASCADE",
    "ALTER TABLE lineproof_log.entries RENAME TO gone",
    "ALTER TABLE lineproof_log.entries ALTER COLUMN leaf TYPE bytea USING ''::bytea",
    "ALTER TABLE lineproof_log.entries OWNER TO CURRENT_USER",
    "DROP INDEX lineproof_log.entries_control",
    "BEGIN; LOCK TABLE lineproof_log.entries IN ACCESS EXCLUSIVE MODE",
    "DELETE FROM lineproof_log.checkpoints",
    "TRUNCATE lineproof_log.checkpoints",
    "DELETE FROM lineproof_log.log_head",
    "DELETE FROM lineproof_log.tiles",
]


@pytest.mark.parametrize("bypass", BYPASSES)
def test_a_way_around_is_not_the_services_to_go(roles: Roles, bypass: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        roles.service.execute(bypass.encode())
    assert roles.findings() == []


def test_the_service_cannot_become_the_owner(roles: Roles) -> None:
    for statement in (f"SET ROLE {roles.owner}", f"SET SESSION AUTHORIZATION {roles.owner}"):
        with pytest.raises(errors.InsufficientPrivilege):
            roles.service.execute(statement.encode())
    assert roles.superuser.execute("SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = %s", (roles.owner,)).fetchone() == (False, False)


@pytest.mark.parametrize("statement", [
    "UPDATE lineproof_log.log_head SET next = next - 1", "UPDATE lineproof_log.log_head SET last_received = 0",
    "UPDATE lineproof_log.log_head SET secret_check = '\\x00'", "UPDATE lineproof_log.checkpoints SET root = '\\x00'",
    "UPDATE lineproof_log.checkpoints SET size = 1",
])
def test_what_the_service_may_update_never_goes_back(roles: Roles, statement: str) -> None:
    with pytest.raises(errors.IntegrityConstraintViolation, match="never goes back"):
        roles.service.execute(statement.encode())


def test_the_erasing_function_asks_for_evidence_and_spares_what_the_log_stands_on(roles: Roles) -> None:
    for entry, evidence in ((3, 3), (3, 99), (0, 5)):
        with pytest.raises(CorruptLog):
            roles.log.store.erase_body(entry, evidence)
    assert roles.log.reader.entry(3).envelope is not None


@pytest.mark.parametrize("role", ["origin", "replica"])
def test_triggers_hold_against_a_superuser_as_replica(roles: Roles, role: str) -> None:
    roles.as_superuser(f"SET session_replication_role = {role}")
    for statement in ("UPDATE lineproof_log.entries SET leaf = leaf", "DELETE FROM lineproof_log.bodies", "TRUNCATE lineproof_log.dedupe",
                      "UPDATE lineproof_log.log_head SET next = 0", "TRUNCATE lineproof_log.checkpoints", "TRUNCATE lineproof_log.log_head"):
        with pytest.raises(errors.IntegrityConstraintViolation, match="never"):
            roles.as_superuser(statement)


DISABLE = "ALTER TABLE lineproof_log.{0} DISABLE TRIGGER ALL"


def test_an_owner_who_disables_triggers_and_edits_is_found(roles: Roles) -> None:
    roles.as_superuser(f"SET ROLE {roles.owner}", DISABLE.format("entries"), "UPDATE lineproof_log.entries SET tenant = 'x' WHERE idx = 3",
                       "UPDATE lineproof_log.entries SET leaf = replace(encode(leaf, 'escape'), 'PRODUCER', 'SERVICE')::bytea WHERE idx = 4")
    found = roles.findings()
    assert ("derived-column", 3) in found
    assert any(index == 4 for _, index in found)


def test_an_owner_who_deletes_a_body_without_an_erasure_is_found(roles: Roles) -> None:
    roles.as_superuser(f"SET ROLE {roles.owner}", DISABLE.format("bodies"), "DELETE FROM lineproof_log.bodies WHERE idx = 5")
    assert roles.findings() == [("body", 5)]


def test_a_log_that_was_cut_back_consistently_is_not_signed_again(roles: Roles) -> None:
    """Everything in the database agrees; the record outside of it does not."""
    head = roles.log.store.head()
    roles.log.appender.submit(new_entry("later")).result(30)
    assert roles.log.integrator.step() is not None
    roles.log.integrator.resign()
    roles.as_superuser(*(DISABLE.format(table) for table in ("entries", "bodies", "dedupe", "log_head", "checkpoints")),
                       "DELETE FROM lineproof_log.checkpoints WHERE size > 6", "DELETE FROM lineproof_log.entries WHERE idx >= 6",
                       "DELETE FROM lineproof_log.bodies WHERE idx >= 6", "DELETE FROM lineproof_log.dedupe WHERE idx >= 6")
    for table, size in (("log_head", "next"), ("tree", "size")):
        roles.superuser.execute(f"UPDATE lineproof_log.{table} SET {size} = 6, compact_range = %s".encode(), (head.tree.to_bytes(),))
    roles.superuser.execute("UPDATE lineproof_log.tiles SET hashes = substring(hashes for 6 * 32) WHERE level = 0")
    assert roles.findings() == []
    with pytest.raises(CheckpointLockError, match="has signed a tree of 7"):
        roles.log.integrator.step()


def test_preparing_again_gives_a_log_of_an_earlier_version_the_guards_it_lacks(roles: Roles, postgres_database: str) -> None:
    guards = "SELECT tgrelid::regclass::text, tgname::text, tgenabled::text FROM pg_trigger WHERE tgrelid::regclass::text LIKE 'lineproof_log.%' ORDER BY 1, 2"
    whole = roles.superuser.execute(guards).fetchall()
    assert {row[2] for row in whole} == {"A"}
    roles.as_superuser("DROP FUNCTION lineproof_log.refuse_return CASCADE", DISABLE.format("entries"),
                       "CREATE OR REPLACE FUNCTION lineproof_log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    assert len(roles.superuser.execute(guards).fetchall()) == len(whole) - 4
    admin = PostgresStore(postgres_database)
    admin.hand_over(roles.owner, roles.service.info.user)
    admin.close()
    assert roles.superuser.execute(guards).fetchall() == whole
    for statement in ("UPDATE lineproof_log.log_head SET next = 3", "DELETE FROM lineproof_log.checkpoints", "TRUNCATE lineproof_log.entries",
                      "UPDATE lineproof_log.entries SET tenant = 'x'"):
        with pytest.raises(errors.IntegrityConstraintViolation):
            roles.superuser.execute(statement.encode())
    owners = "SELECT DISTINCT pg_get_userbyid(proowner)::text FROM pg_proc WHERE pronamespace = 'lineproof_log'::regnamespace"
    assert roles.superuser.execute(owners).fetchall() == [(roles.owner,)]
    assert roles.log.appender.submit(new_entry("after")).result(30).index == 6


def test_the_service_that_inserts_past_the_head_stops_the_log_and_changes_nothing(roles: Roles) -> None:
    roles.service.execute("INSERT INTO lineproof_log.entries SELECT 6, leaf, received, event_type, media_type, tenant, signer, signed_by, caller "
                          "FROM lineproof_log.entries WHERE idx = 5")
    appender = Appender(roles.log.store, roles.log.notary, roles.log.secrets)
    with pytest.raises(CorruptLog, match="contradicts itself"):
        appender.submit(new_entry("next")).result(30)
    appender.close()
    assert roles.log.reader.size() == 6
