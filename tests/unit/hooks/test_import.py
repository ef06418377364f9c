from __future__ import annotations

import json
import subprocess
import sys

import pytest

import ingest_hooks

HEAVY = {"pydantic", "httpx", "cryptography", "openlineage", "typer", "pyarrow", "sqlglot", "duckdb", "yaml", "rfc8785"}


def loaded_after(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"], capture_output=True, text=True,
                          check=True, timeout=60)
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_after("import ingest_hooks") & (HEAVY | {"lineproof_audit", "lineproof_schema", "logging"}) == set()


def test_making_an_emitter_loads_neither_pydantic_nor_httpx():
    assert loaded_after("from ingest_hooks import Emitter\nEmitter.from_env()") & (HEAVY - {"cryptography"}) == set()


def test_a_resolver_loads_nothing_heavy():
    code = """
from ingest_hooks import ResolveError, Resolver
try:
    Resolver(url='http://127.0.0.1:9').one('n:f@1')
except ResolveError as error:
    assert error.code == 'unreachable'
"""
    assert loaded_after(code) & HEAVY == set()


def test_emitting_loads_what_it_needs_and_nothing_of_the_extras(tmp_path):
    code = f"""
from ingest_hooks import Emitter
from lineproof_audit.keys import SigningKey
emitter = Emitter(key=SigningKey.generate(), audience="o", spool={str(tmp_path)!r}, url="http://127.0.0.1:9")
assert emitter.dataset(namespace="n", name="d").ok
emitter.close(0)
"""
    assert loaded_after(code) & (HEAVY | {"sqlalchemy", "fastapi"}) == {"pydantic", "httpx", "cryptography"}


def test_exported_members():
    assert set(ingest_hooks.__all__) == {
        "Acknowledgement", "Dataset", "DuckDB", "Emitter", "EventError", "GitError", "HookError", "InputFile", "InputTable", "Receipt", "Resolution",
        "ResolveError", "Resolver", "SettingError", "SignedTransport", "SpoolFullError", "SpoolLockedError", "Stats", "Step", "transformation_version"}
    for name in ingest_hooks.__all__:
        assert getattr(ingest_hooks, name).__name__ == name
    assert dir(ingest_hooks) == sorted(ingest_hooks.__all__)
    with pytest.raises(AttributeError):
        ingest_hooks.nothing_of_the_kind  # noqa: B018 - the access is the test
