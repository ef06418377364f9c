"""The tables of a log in PostgreSQL, in a schema of their own.

Append-only in depth. Triggers forbid UPDATE, DELETE and TRUNCATE of entries, bodies and dedupe rows; they are `ENABLE ALWAYS`, so
`session_replication_role = replica` does not pass them. The head never goes back, and a published checkpoint keeps its root. A body goes
only through `erase_body`, which runs with the owner's rights and asks for an erasure entry as evidence, so the service's own role needs no
DELETE at all (`GRANTS`). The tables' owner can still disable a trigger: `PostgresStore.hand_over` makes it a role that nobody logs in as.
Only a checkpoint kept elsewhere catches a superuser.
"""
from __future__ import annotations

from lineproof_audit.store import CONTROL_TYPES, ERASURE_TYPE, UNERASABLE_TYPES

__all__ = ["CREATE", "GRANTS", "GUARDS", "OWNED"]


def _literals(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


_APPEND_ONLY = "".join(f"""
CREATE OR REPLACE TRIGGER {table}_rows BEFORE UPDATE OR DELETE ON lineproof_log.{table} FOR EACH ROW EXECUTE FUNCTION lineproof_log.refuse_change();
CREATE OR REPLACE TRIGGER {table}_truncate BEFORE TRUNCATE ON lineproof_log.{table} FOR EACH STATEMENT EXECUTE FUNCTION lineproof_log.refuse_change();
ALTER TABLE lineproof_log.{table} ENABLE ALWAYS TRIGGER {table}_rows;
ALTER TABLE lineproof_log.{table} ENABLE ALWAYS TRIGGER {table}_truncate;
""" for table in ("entries", "bodies", "dedupe", "erasures"))

_NEVER_BACK = "".join(f"""
CREATE OR REPLACE TRIGGER {table}_rows BEFORE UPDATE OR DELETE ON lineproof_log.{table} FOR EACH ROW EXECUTE FUNCTION lineproof_log.refuse_return();
CREATE OR REPLACE TRIGGER {table}_truncate BEFORE TRUNCATE ON lineproof_log.{table} FOR EACH STATEMENT EXECUTE FUNCTION lineproof_log.refuse_return();
ALTER TABLE lineproof_log.{table} ENABLE ALWAYS TRIGGER {table}_rows;
ALTER TABLE lineproof_log.{table} ENABLE ALWAYS TRIGGER {table}_truncate;
""" for table in ("log_head", "checkpoints"))

CREATE = f"""
CREATE SCHEMA lineproof_log;
CREATE TABLE lineproof_log.version (one boolean PRIMARY KEY DEFAULT true CHECK (one), version integer NOT NULL);
CREATE TABLE lineproof_log.log_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one), next bigint NOT NULL, last_received bigint NOT NULL, compact_range bytea NOT NULL, secret_check bytea
) WITH (fillfactor = 10);
CREATE TABLE lineproof_log.entries (
    idx bigint PRIMARY KEY, leaf bytea NOT NULL, received bigint NOT NULL, event_type text NOT NULL, media_type text NOT NULL, tenant text NOT NULL,
    signer text NOT NULL, signed_by text NOT NULL, caller text
);
CREATE INDEX entries_control ON lineproof_log.entries (idx) WHERE event_type IN ({_literals(CONTROL_TYPES)});
CREATE TABLE lineproof_log.bodies (idx bigint PRIMARY KEY, salt bytea NOT NULL, envelope bytea NOT NULL);
ALTER TABLE lineproof_log.bodies ALTER COLUMN envelope SET STORAGE EXTERNAL;
CREATE TABLE lineproof_log.dedupe (identity bytea PRIMARY KEY, payload bytea NOT NULL, idx bigint NOT NULL);
CREATE TABLE lineproof_log.erasures (idx bigint PRIMARY KEY, evidence bigint NOT NULL);
CREATE TABLE lineproof_log.tree (
    one boolean PRIMARY KEY DEFAULT true CHECK (one), size bigint NOT NULL, compact_range bytea NOT NULL, epoch bigint NOT NULL
) WITH (fillfactor = 10);
CREATE TABLE lineproof_log.tiles (level integer NOT NULL, number bigint NOT NULL, hashes bytea NOT NULL, PRIMARY KEY (level, number));
ALTER TABLE lineproof_log.tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
CREATE TABLE lineproof_log.checkpoints (size bigint PRIMARY KEY, root bytea NOT NULL, note text NOT NULL, signed_at bigint NOT NULL);
"""

# What keeps the tables as they are. May be run again: a log that an earlier version created gets what it lacks, and what was disabled is enabled.
GUARDS = f"""
CREATE OR REPLACE FUNCTION lineproof_log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'bodies' AND EXISTS (SELECT 1 FROM lineproof_log.erasures WHERE idx = OLD.idx) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'entries of a log are never changed (% on %)', TG_OP, TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
{_APPEND_ONLY}
CREATE OR REPLACE FUNCTION lineproof_log.refuse_return() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'log_head' THEN
        IF NEW.next >= OLD.next AND NEW.last_received >= OLD.last_received AND (NEW.secret_check = OLD.secret_check OR OLD.secret_check IS NULL) THEN
            RETURN NEW;
        END IF;
    ELSIF TG_OP = 'UPDATE' THEN
        IF NEW.size = OLD.size AND NEW.root = OLD.root THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'a log never goes back (% on %)', TG_OP, TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
{_NEVER_BACK}
CREATE OR REPLACE FUNCTION lineproof_log.erase_body(entry bigint, proof bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE kind text;
BEGIN
    SELECT event_type INTO kind FROM lineproof_log.entries WHERE idx = entry;
    IF kind IS NULL OR kind IN ({_literals(UNERASABLE_TYPES)}) THEN
        RETURN coalesce(kind, '');
    END IF;
    IF NOT EXISTS (SELECT 1 FROM lineproof_log.entries WHERE idx = proof AND idx > entry AND event_type = '{ERASURE_TYPE}') THEN
        RETURN 'evidence';
    END IF;
    INSERT INTO lineproof_log.erasures VALUES (entry, proof) ON CONFLICT DO NOTHING;
    DELETE FROM lineproof_log.bodies WHERE idx = entry;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION lineproof_log.erase_body FROM PUBLIC;
"""  # noqa: S608 (constants)

# What the log consists of, to be given to another owner: each row is one statement, with %I for that role.
OWNED = """
SELECT format('ALTER TABLE %I.%I OWNER TO %%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'lineproof_log'
UNION ALL SELECT format('ALTER FUNCTION %s OWNER TO %%I', oid::regprocedure) FROM pg_proc WHERE pronamespace = 'lineproof_log'::regnamespace
UNION ALL SELECT 'ALTER SCHEMA lineproof_log OWNER TO %I'
"""

# For a role that is not the owner; {role} is a quoted identifier.
GRANTS = """
GRANT USAGE ON SCHEMA lineproof_log TO {role};
GRANT SELECT ON ALL TABLES IN SCHEMA lineproof_log TO {role};
GRANT INSERT ON lineproof_log.entries, lineproof_log.bodies, lineproof_log.dedupe, lineproof_log.tiles, lineproof_log.checkpoints TO {role};
GRANT UPDATE ON lineproof_log.log_head, lineproof_log.tree, lineproof_log.tiles, lineproof_log.checkpoints TO {role};
GRANT EXECUTE ON FUNCTION lineproof_log.erase_body TO {role};
"""
