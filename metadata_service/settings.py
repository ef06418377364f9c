"""Settings of the service: `LINEPROOF_*` in the environment, else `lineproof.toml`, else the default.

Unknown names fail, in the file and in the environment, so that a misspelt setting is never silently without effect.
`lineproof settings` prints every value with where it came from; secrets are masked.
"""
from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from metadata_service.errors import SettingError

__all__ = ["ADMIN_TOKEN_FILE", "DEFAULT_PORT", "SettingRow", "Settings", "load_settings", "setting_rows"]

PREFIX: Final = "LINEPROOF_"
DEFAULT_PORT: Final = 8642
ADMIN_TOKEN_FILE: Final = "admin-token"  # noqa: S105 (a file name, in the log's state directory)
# Read by ingest_hooks inside pipelines; allowed beside the service's own, so that one shell can hold both.
CLIENT_VARIABLES: Final = frozenset({"LINEPROOF_CONFIG", "LINEPROOF_KEY", "LINEPROOF_SPOOL", "LINEPROOF_NAMESPACE", "LINEPROOF_SOURCE", "LINEPROOF_ID_TOKEN"})
_PASSWORD: Final = re.compile(r"(?<=://)([^/@:]*):[^@]*@")


class Settings(BaseSettings):
    """All settings. Sizes in bytes, times in seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, toml_file=None)

    # stores
    data: Path = Field(default=Path(".lineproof"), description="Data directory of the embedded stores, of artifacts and of the log's keys")
    database_url: str | None = Field(default=None, description="postgresql+psycopg://… for the log; unset: SQLite in the data directory")
    graph_url: str | None = Field(default=None, description="neo4j://…, bolt://… or postgresql://… for the graph; unset: SQLite in the data directory")
    checkpoint_lock: str | None = Field(default=None, description="Path of the checkpoint lock record, outside of data directory and database")
    state_dir: Path | None = Field(default=None, description="Where the root admin key, the lock record and the first admin token lie")
    artifacts_url: str | None = Field(default=None, description="fsspec URL of the artifact store; unset: artifacts/ in the data directory")
    tiles_url: str | None = Field(default=None, description="fsspec URL the log is published to as tlog-tiles files; unset: tiles/ in the data directory")
    checkpoint_seconds: float = Field(default=1.0, gt=0, le=3600, description="Between two checkpoints of a log that grows")
    witnesses: Path | None = Field(default=None, description="C2SP tlog-policy: the witnesses that cosign checkpoints, and how many of them it takes")
    witness_seconds: float = Field(default=1.0, ge=0, le=60, description="How long a checkpoint waits for witnesses that answered in time before")
    # serving
    host: str = Field(default="127.0.0.1", description="Address to listen on; others than loopback need TLS or behind_proxy")
    port: int = Field(default=DEFAULT_PORT, ge=0, le=65535, description="Port to listen on; 0 picks a free one")
    behind_proxy: bool = Field(default=False, description="A proxy in front ends TLS; X-Forwarded-* of it are trusted")
    tls_certificate: Path | None = Field(default=None, description="PEM certificate chain")
    tls_key: Path | None = Field(default=None, description="PEM key of the certificate")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level that is logged")
    log_format: Literal["auto", "json", "text"] = Field(default="auto", description="auto: text on a terminal, JSON elsewhere")
    projector: Literal["process", "inline", "off"] = Field(default="process", 
                                                              description="process: beside the service; inline: in it; off: another host runs it")
    scrub_rate: int = Field(default=200, ge=0, le=100_000, description="Entries a second that are read and checked again in the background; 0: none. "
                                                                       "200 take about 4 % of a core")
    deriver: bool = Field(default=True, description="Parse the SQL of plain OpenLineage events and log what it says about columns; needs the sql extra")
    # clients on this machine
    url: str | None = Field(default=None, description="Where the command line finds the service; unset: the one on the data directory")
    token: SecretStr | None = Field(default=None, description="Bearer token of the command line; unset: the first admin token of this machine")
    # limits
    max_event_bytes: int = Field(default=2 * 2**20, ge=1024, le=2 * 2**20, description="One envelope or plain OpenLineage event")
    max_body_bytes: int = Field(default=64 * 2**20, ge=1024, description="One request body, after decompression")
    max_batch_events: int = Field(default=10_000, ge=1, description="Events in one array, batch or NDJSON body")
    queue_size: int = Field(default=4_096, ge=1, description="Events waiting to be appended; beyond it the service answers 503")
    verify_threads: int = Field(default=4, ge=1, le=64, description="Threads that check signatures")
    wait_seconds: float = Field(default=10.0, gt=0, le=60, description="Longest wait of `Prefer: wait=projected`")
    max_artifact_bytes: int = Field(default=256 * 2**20, ge=1024, description="One artifact")
    artifact_quota_bytes: int = Field(default=10 * 2**30, ge=1024, description="All artifacts of one tenant")
    quarantine_quota_bytes: int = Field(default=256 * 2**20, ge=0, description="All refused bytes kept of one tenant")
    quarantine_days: int = Field(default=30, ge=1, description="How long refused bytes are kept")

    @classmethod
    def settings_customise_sources(cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
                                   env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
                                   file_secret_settings: PydanticBaseSettingsSource) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, then environment, then the file; no .env and no secrets directory."""
        file = settings_file(os.environ)
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)) if file else (init_settings, env_settings)

    @property
    def log_url(self) -> str:
        """What `Log.open` takes: the database URL, else the data directory."""
        return self.database_url or str(self.data)

    @property
    def graph_location(self) -> str:
        """What `open_graph` takes."""
        return self.graph_url or f"sqlite:///{(self.data / 'graph.db').absolute()}"

    @property
    def artifacts_location(self) -> str:
        """fsspec URL or directory of the artifact store."""
        return self.artifacts_url or str((self.data / "artifacts").absolute())


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One line of `lineproof settings`."""

    name: str
    value: str
    source: str
    variable: str
    description: str


def settings_file(environ: Mapping[str, str]) -> Path | None:
    """`LINEPROOF_CONFIG`, else `lineproof.toml` in the working directory if there is one."""
    named = environ.get(PREFIX + "CONFIG")
    if named:
        return Path(named)
    here = Path("lineproof.toml")
    return here if here.is_file() else None


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; `overrides` (from the command line) win, those that are None are left out.

    Raises:
        SettingError: an unknown name, a value of the wrong kind, or a file that cannot be read.
    """
    unknown = sorted(_unknown_variables(os.environ))
    if unknown:
        raise SettingError(f"unknown in the environment: {', '.join(unknown)}")
    file = settings_file(os.environ)
    if file is not None and not file.is_file():
        raise SettingError(f"{PREFIX}CONFIG names {str(file)!r}, which is no file")
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(str(part) for part in fault['loc']) or 'settings'}: {fault['msg']}" for fault in error.errors(include_input=False))
        raise SettingError(faults) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"{file}: {error}") from error


def setting_rows(settings: Settings) -> list[SettingRow]:
    """Every setting with value, source and description; secrets and passwords in URLs are masked."""
    file = settings_file(os.environ)
    in_file = set(tomllib.loads(file.read_text("utf-8"))) if file else set()
    present = {name.upper() for name in os.environ}
    rows = []
    for name, field in Settings.model_fields.items():
        variable = PREFIX + name.upper()
        if variable in present:
            source = "environment"
        elif name in in_file:
            source = str(file)
        elif getattr(settings, name) != field.default:
            source = "command line"
        else:
            source = "default"
        rows.append(SettingRow(name, mask(getattr(settings, name)), source, variable, field.description or ""))
    return rows


def mask(value: object) -> str:
    """How a value is shown: secrets as stars, passwords cut out of URLs, None as empty."""
    if value is None:
        return ""
    return _PASSWORD.sub(r"\1:***@", str(value))


def _unknown_variables(environ: Mapping[str, str]) -> set[str]:
    known = {PREFIX + name.upper() for name in Settings.model_fields} | CLIENT_VARIABLES
    return {name for name in environ if name.upper().startswith(PREFIX) and name.upper() not in known}
