"""The wheel brings exactly our names, lives beside PyPI's `schema`, and imports stay light."""
from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).with_name("uv")
TOP_LEVEL = {"metadata_service", "ingest_hooks", "lineproof_audit", "lineproof_schema"}


def _run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, cwd=ROOT,
                          env={**os.environ, "VIRTUAL_ENV": ""})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    _run(UV, "build", "--quiet", "--wheel", "--out-dir", target, ROOT)
    return next(target.glob("lineproof-*.whl"))


def test_wheel_has_exactly_our_top_level_names(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == TOP_LEVEL
    assert "lineproof_schema/schema.graphql" in names
    assert any(name.startswith("lineproof_schema/events/") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_base_install_lives_beside_the_schema_package(wheel: Path, tmp_path: Path) -> None:
    """sagemaker needs PyPI's `schema`; a top-level package of that name would overwrite it."""
    _run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    _run(UV, "pip", "install", "--quiet", "--python", python, "schema", wheel)
    program = "from schema import Schema; import lineproof_schema, lineproof_audit.verify, ingest_hooks; print(Schema(int).validate(3))"
    assert _run(python, "-I", "-c", program).strip() == "3"
    assert "verify" in _run(tmp_path / "venv" / "bin" / "lineproof", "log", "--help")
    assert "record" in _run(tmp_path / "venv" / "bin" / "lineproof", "ci", "--help")


def _imported(module: str) -> set[str]:
    program = f"import sys; before = set(sys.modules); import {module}; print(*sorted({{name.split('.')[0] for name in set(sys.modules) - before}}))"
    return set(_run(sys.executable, "-c", program).split())


def test_verifier_imports_only_what_it_needs() -> None:
    third_party = _imported("lineproof_audit.verify") - set(sys.stdlib_module_names)
    assert {name for name in third_party if not name.startswith("_")} <= {"lineproof_audit", "lineproof_schema", "cryptography", "rfc8785"}


def test_importing_the_hooks_is_cheap() -> None:
    third_party = _imported("ingest_hooks") - set(sys.stdlib_module_names)
    assert {name for name in third_party if not name.startswith("_")} <= {"ingest_hooks", "lineproof_audit", "lineproof_schema"}
