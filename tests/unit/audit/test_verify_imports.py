"""An auditor's machine needs no web framework, model library or database driver to verify evidence."""
from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.unit.audit.memory_log import DATA

ROOT = DATA.parents[2]
HEAVY = {"pydantic", "pydantic_core", "httpx", "sqlalchemy", "orjson", "fastapi", "zstandard", "sqlite3", "psycopg", "typer", "rich", "asyncio"}


@pytest.mark.parametrize("module", ["lineproof_audit", "lineproof_audit.verify", "lineproof_audit.fsck", "lineproof_audit.watch", "lineproof_audit.envelope",
                                    "lineproof_audit.keys"])
def test_importing_the_verifier_loads_nothing_heavy(module: str) -> None:
    script = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60).stdout)
    assert module in loaded
    assert HEAVY & {name.split(".")[0] for name in loaded} == set()


def test_verifying_a_bundle_loads_nothing_heavy_either() -> None:
    script = ("import sys; from tests.unit.audit.memory_log import MemoryLog, trust; from lineproof_audit.verify import verify_bundle; "
              "log = MemoryLog(); log.sign(); assert verify_bundle(log.bundle(2, with_leaves=True), trust(), 'keys-complete').ok; "
              "print(' '.join(name.split('.')[0] for name in sys.modules))")
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60, cwd=ROOT).stdout.split()
    assert HEAVY & set(loaded) == set()
