"""Real services for the tests.

`postgres_url`, `postgres_database`, `neo4j_server`, `neo4j_uri`: the environment (POSTGRES_URL, NEO4J_URI) wins over starting our own.
A service that cannot run is skipped with one loud line at the end of the run; with CI=true that is a failure.
"""
from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.faults.tally import TALLY
from tests.services.browser import built_page, find_chromium
from tests.services.neo4j_server import Neo4jServer, run_neo4j, server_of, wipe
from tests.services.outside import build_outside
from tests.services.postgres_server import fresh_database, run_postgres
from tests.services.process import Missing
from tests.services.strace import Forbidden, find_strace

if TYPE_CHECKING:
    from tests.e2e.conftest import Played

# Machines are shared and noisy: no test fails for being slow.
settings.register_profile("lineproof", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lineproof")

GIVEN = bool(os.environ.get("NEO4J_URI") or os.environ.get("POSTGRES_URL"))
LOOK_AT_THE_DEMO = ("tests/browser/", "tests/e2e/")
_missing: dict[str, str] = {}


def _without(service: str, reason: Missing) -> None:
    """End the test: the service is not there."""
    _missing[service] = str(reason)
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"{service}: {reason}", pytrace=False)
    pytest.skip(f"{service}: {reason}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a service, so that `-m "not neo4j"` leaves it out."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        adapters = [value for value in item.callspec.params.values() if isinstance(value, str)] if hasattr(item, "callspec") else []
        if "postgres_url" in fixtures or "postgresql" in adapters:
            item.add_marker(pytest.mark.postgres)
        if "neo4j_server" in fixtures or "neo4j" in adapters:
            item.add_marker(pytest.mark.neo4j)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n`: the tests of a file run in one process, in their order; so do all that look at the demo, which is played once, and everything where
    a server is given, which is one for all."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return "everything" if GIVEN else "demo" if path.startswith(LOOK_AT_THE_DEMO) else path

    return ByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Half a surrogate pair that a hostile input brought into a test's output goes to no other process as it is."""
    report = yield
    report.sections = [(title, text.encode("utf-8", "backslashreplace").decode()) for title, text in report.sections]
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What the end of the run tells goes from a process of pytest-xdist to the one that prints."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["missing"], output["tally"] = dict(_missing), TALLY.told()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A process of pytest-xdist has ended."""
    output = getattr(node, "workeroutput", {})
    _missing.update(output.get("missing", {}))
    TALLY.add(output.get("tally", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once, where nobody misses it, which faults were injected and what they did, and what was not tested."""
    if TALLY.cases:
        terminalreporter.write_sep("=", "faults")
        for line in TALLY.lines():
            terminalreporter.write_line(line)
    for service, reason in _missing.items():
        terminalreporter.write_sep("!", f"NOT TESTED ON {service.upper()}: {reason}", yellow=True, bold=True)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, like the service."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server: the URL of its maintenance database. Tests take `postgres_database`."""
    if given := os.environ.get("POSTGRES_URL"):
        yield given
        return
    try:
        with run_postgres() as url:
            yield url
    except Missing as reason:
        _without("postgresql", reason)


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL (`postgresql+psycopg://…`) of an empty database that lives for one test."""
    with fresh_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def neo4j_server() -> Iterator[Neo4jServer]:
    """A Neo4j 5.26 server (`uri`, `user`, `password`, `auth`, and `url` with credentials), shared by the run's tests."""
    if given := os.environ.get("NEO4J_URI"):
        yield server_of(given)
        return
    try:
        with run_neo4j() as server:
            yield server
    except Missing as reason:
        _without("neo4j", reason)


@pytest.fixture
def neo4j_uri(neo4j_server: Neo4jServer) -> str:
    """`bolt://host:port` of an emptied Neo4j; credentials in `neo4j_server.auth`."""
    wipe(neo4j_server)
    return neo4j_server.uri


@pytest.fixture
def neo4j_url(neo4j_server: Neo4jServer) -> str:
    """The URL of an emptied Neo4j, with credentials, as LINEPROOF_GRAPH_URL takes it."""
    wipe(neo4j_server)
    return neo4j_server.url


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The demo on the embedded default, played once for all that look at it. DEMO_FOLDER, one that was played before, wins."""
    from tests.e2e.conftest import play, played

    given = os.environ.get("DEMO_FOLDER")
    return played(Path(given)) if given else play(tmp_path_factory.mktemp("demo") / "run")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium that can show the page, which is built."""
    try:
        built_page()
        return find_chromium()
    except Missing as reason:
        _without("chromium", reason)
        raise


@pytest.fixture(scope="session")
def outside() -> str:
    """The path of the Go program of tests/outside: verifiers that others wrote."""
    try:
        return build_outside()
    except Missing as reason:
        _without("go", reason)
        raise


@pytest.fixture(scope="session")
def strace() -> str:
    """The path of a strace that may trace: it injects faults into system calls."""
    try:
        return find_strace()
    except Missing as reason:
        _without("strace", reason)
        raise
    except Forbidden as reason:  # with CI=true as well: no package mends it, and the other fault tests go on
        _missing["strace"] = str(reason)
        pytest.skip(f"strace: {reason}")
