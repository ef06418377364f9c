"""Settings: precedence, unknown names, masking."""
from __future__ import annotations

from pathlib import Path

import pytest

from ingest_hooks.connection import settings_from_env
from metadata_service.errors import SettingError
from metadata_service.settings import load_settings, setting_rows


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("LINEPROOF_"):
            monkeypatch.delenv(name)


def test_command_line_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lineproof.toml").write_text('port = 1\nlog_level = "debug"\nmax_batch_events = 3\n')
    monkeypatch.setenv("LINEPROOF_PORT", "2")
    monkeypatch.setenv("LINEPROOF_LOG_LEVEL", "error")
    settings = load_settings(port=3, host=None)
    assert (settings.port, settings.log_level, settings.max_batch_events, settings.host) == (3, "error", 3, "127.0.0.1")
    sources = {row.name: row.source for row in setting_rows(settings)}
    assert (sources["log_level"], sources["max_batch_events"], sources["host"]) == ("environment", "lineproof.toml", "default")


def test_a_misspelt_setting_fails_wherever_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEPROOF_DATABSE_URL", "postgresql://x")
    with pytest.raises(SettingError, match="LINEPROOF_DATABSE_URL"):
        load_settings()
    monkeypatch.delenv("LINEPROOF_DATABSE_URL")
    (tmp_path / "lineproof.toml").write_text("prot = 1\n")
    with pytest.raises(SettingError, match="prot"):
        load_settings()


def test_what_hooks_read_is_no_unknown_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    class Anything(dict[str, str]):
        def get(self, name: str, default: object = None) -> str:  # type: ignore[override]
            return name

    for variable in settings_from_env(Anything()).values():
        monkeypatch.setenv(variable, "x")
    load_settings()


@pytest.mark.parametrize(("text", "fault"), [("port = 99999", "port"), ("port = [", "lineproof.toml"), ('log_level = "loud"', "log_level")])
def test_impossible_values_name_the_setting(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "lineproof.toml").write_text(text)
    with pytest.raises(SettingError, match=fault):
        load_settings()


def test_a_named_file_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEPROOF_CONFIG", "nowhere.toml")
    with pytest.raises(SettingError, match="nowhere"):
        load_settings()


def test_secrets_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEPROOF_TOKEN", "lp_secret")
    monkeypatch.setenv("LINEPROOF_DATABASE_URL", "postgresql+psycopg://lineproof:hunter2@db:5432/log")
    shown = " ".join(f"{row.name}={row.value}" for row in setting_rows(load_settings()))
    assert "lp_secret" not in shown
    assert "hunter2" not in shown
    assert "database_url=postgresql+psycopg://lineproof:***@db:5432/log" in shown
