"""Running the flights pipeline as its authors would: load, commit, `lineproof ci record`, register features, dbt build, promote, train, serve."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from examples.flights import repository
from examples.flights.data import TABLES, csv_files
from examples.flights.screen import Screen, clean_environment

LOCKFILE = Path(__file__).parents[2] / "requirements.lock"  # of the environment that `make` installed, in which the pipeline runs

__all__ = ["Workspace", "commit_and_build", "load_raw", "serve", "train"]


@dataclass(frozen=True, slots=True)
class Workspace:
    """The demo's folder. Everything it makes lies in here, also what Lineproof would keep in the user's home."""

    folder: Path

    @property
    def repository(self) -> Path:
        """The pipeline's git repository."""
        return self.folder / "flights"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file."""
        return self.folder / "flights.duckdb"

    @property
    def data(self) -> Path:
        """Lineproof's data directory."""
        return self.folder / "lineproof"

    @property
    def state(self) -> Path:
        """Root admin key, checkpoint lock record, admin token: outside the data directory."""
        return self.folder / "state"

    def service_env(self, extra: Mapping[str, str]) -> dict[str, str]:
        """Environment of the service and of the person who asks."""
        return clean_environment({"LINEPROOF_DATA": str(self.data), "LINEPROOF_STATE_DIR": str(self.state), **extra})

    def serving_env(self, token: str, url: str) -> dict[str, str]:
        """Environment of a process that serves: it may ask, and has no key."""
        return clean_environment({"LINEPROOF_URL": url, "LINEPROOF_TOKEN": token, "FLIGHTS_DUCKDB": str(self.warehouse)})

    def producer_env(self, key: Path, token: str, url: str) -> dict[str, str]:
        """Environment of a pipeline: where to send, as whom, and where to spool."""
        return clean_environment({
            "LINEPROOF_URL": url, "LINEPROOF_KEY": str(key), "LINEPROOF_TOKEN": token, "LINEPROOF_SPOOL": str(self.folder / "spool" / key.stem),
            "FLIGHTS_DUCKDB": str(self.warehouse), "LINEPROOF_LOCKFILE": str(LOCKFILE), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
            "OMP_NUM_THREADS": "1",  # so small a model is fitted soonest by one thread; several that wait for each other are slow on a busy machine
        })


def load_raw(screen: Screen, work: Workspace, env: Mapping[str, str]) -> None:
    """Load the CSV files; each table is a signed run with a fingerprinted dataset version."""
    files = csv_files(work.folder / "csv")
    screen.run("python", "ingest/load_raw.py", *(str(files[table]) for table in TABLES), env=env, cwd=work.repository,
               shown=("python", "ingest/load_raw.py", "flights.csv", "…"))


def commit_and_build(screen: Screen, work: Workspace, planned: repository.PlannedCommit, ci_env: Mapping[str, str], etl_env: Mapping[str, str]) -> str:
    """Commit, let CI record the commit and its feature versions, build with dbt, promote what is new."""
    sha = repository.commit(work.repository, planned)
    screen.say(f"\n[bold]{planned.author}[/], {planned.date[:10]}: “{planned.subject}” [dim]{sha[:12]}[/]")
    screen.run("lineproof", "ci", "record", env=ci_env, cwd=work.repository)
    screen.run("python", "ml/features.py", "register", env=ci_env, cwd=work.repository)
    build(screen, work, etl_env)
    screen.run("python", "ml/features.py", "promote", env=etl_env, cwd=work.repository)
    return sha


def build(screen: Screen, work: Workspace, env: Mapping[str, str]) -> None:
    """dbt build with the hook around it."""
    screen.run("python", "-m", "ingest_hooks.dbt", "run", "--", "--quiet", "build", "--profiles-dir", ".", env=env, cwd=work.repository)


def train(screen: Screen, work: Workspace, version: str, env: Mapping[str, str]) -> None:
    """Train, register and deploy a version of the model."""
    screen.run("python", "ml/train.py", version, env=env, cwd=work.repository)


def serve(screen: Screen, work: Workspace, env: Mapping[str, str], *models: str) -> None:
    """What serving reads for one flight, as the models are bound now."""
    screen.run("python", "ml/serve.py", *models, env=env, cwd=work.repository)
