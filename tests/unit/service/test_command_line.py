"""The command line without its extras, and its exit codes."""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SERVER_ONLY = ("fastapi", "uvicorn", "strawberry", "pydantic_settings", "sqlalchemy", "orjson", "structlog", "prometheus_client", "fsspec", "zstandard",
               "starlette")
BASE_INSTALL = f"import sys\nfor name in {SERVER_ONLY!r}: sys.modules[name] = None\nfrom metadata_service.cli import main\nmain()"


def base(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as if only the base install were there."""
    return subprocess.run([sys.executable, "-c", BASE_INSTALL, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_the_base_install_has_ci_emit_and_log_verify(tmp_path: Path) -> None:
    for command in (("ci", "record", "--help"), ("emit", "--help"), ("log", "verify", "--help"), ("--help",)):
        assert base(tmp_path, *command).returncode == 0
    (tmp_path / "bundle.json").write_text("{}")
    verdict = base(tmp_path, "log", "verify", "bundle.json", "--json")
    assert (verdict.returncode, json.loads(verdict.stdout)["code"]) == (1, "unanchored")


@pytest.mark.parametrize("command", [("serve",), ("keys", "list"), ("tokens", "list"), ("settings",), ("doctor",), ("log", "checkpoint"), ("graph", "status")])
def test_other_commands_say_which_extra_is_missing(tmp_path: Path, command: tuple[str, ...]) -> None:
    refused = base(tmp_path, *command)
    assert refused.returncode == 2
    assert "pip install 'lineproof[server]'" in refused.stderr
    assert "Traceback" not in refused.stderr


def run(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    code = "from metadata_service.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=folder, env={"PATH": "", "HOME": str(folder), "COLUMNS": "200", **env},
                          capture_output=True, text=True, timeout=60, check=False)


def test_usage_errors_exit_2_and_unreachable_services_3(tmp_path: Path) -> None:
    assert run(tmp_path, "frobnicate").returncode == 2
    assert run(tmp_path, "keys", "create", "ci").returncode == 2
    assert run(tmp_path, "settings", LINEPROOF_PROT="1").returncode == 2
    away = run(tmp_path, "tokens", "list", "--json", LINEPROOF_URL="http://127.0.0.1:1", LINEPROOF_TOKEN="x")
    assert (away.returncode, json.loads(away.stderr)["code"]) == (3, "unreachable")


def test_doctor_finds_a_key_that_others_can_read(tmp_path: Path) -> None:
    keys = tmp_path / ".lineproof" / "keys"
    keys.mkdir(parents=True)
    (keys / "notary.pem").write_text("x")
    (keys / "notary.pem").chmod(0o644)
    found = run(tmp_path, "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(found.stdout)}
    assert (found.returncode, checks["keys"]["status"], "notary.pem" in checks["keys"]["detail"]) == (1, "error", True)
    (keys / "notary.pem").chmod(0o600)
    assert run(tmp_path, "doctor", "--json").returncode == 0
