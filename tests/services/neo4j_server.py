"""A real Neo4j Community 5.26 for the tests: jars from Maven Central in a cache, a throw-away home, loopback only.

Several test runs may go on at once: each starts its own server on a free port; a lock file in the cache keeps them from
fetching the jars or picking a port at the same moment.
"""
from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from tests.services.process import Missing, free_port, start, stop, tail

VERSION = "5.26.31"  # the LTS line that runs on Java 17; the same version stands in neo4j/pom.xml
POM = Path(__file__).parent / "neo4j" / "pom.xml"
PASSWORD = "lineproof-tests"  # of a server that lives for one test run on 127.0.0.1
START_SECONDS = 180.0  # about 10 s on a quiet machine, far more when every core is busy
FIX = "run as root: python -m tests.services.install"

OPENED = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent")]
QUICK_START = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # benchmarks leave these out

CONF = """\
server.default_listen_address=127.0.0.1
server.bolt.listen_address=127.0.0.1:{port}
server.bolt.advertised_address=127.0.0.1:{port}
server.http.enabled=false
server.https.enabled=false
dbms.security.auth_enabled=true
server.memory.pagecache.size={pagecache}
dbms.usage_report.enabled=false
db.tx_log.preallocate=false
db.tx_log.rotation.size=16M
db.tx_log.rotation.retention_policy=keep_none
internal.server.bolt.thread_pool_shutdown_wait_time=0s
"""


@dataclass(frozen=True, slots=True)
class Neo4jServer:
    """Where a Neo4j answers. `uri` has no credentials (`bolt://host:port`), `url` has them, as LINEPROOF_GRAPH_URL takes it."""

    uri: str
    user: str
    password: str

    @property
    def auth(self) -> tuple[str, str]:
        """What the driver takes as `auth`."""
        return (self.user, self.password)

    @property
    def url(self) -> str:
        """The URI with credentials."""
        scheme, _, rest = self.uri.partition("://")
        return f"{scheme}://{quote(self.user, safe='')}:{quote(self.password, safe='')}@{rest}"


def server_of(uri: str) -> Neo4jServer:
    """The server that the environment names: credentials from `uri` itself, else NEO4J_USER and NEO4J_PASSWORD."""
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    user = unquote(parts.username) if parts.username else os.environ.get("NEO4J_USER", "neo4j")
    password = unquote(parts.password) if parts.password else os.environ.get("NEO4J_PASSWORD", "")
    return Neo4jServer(f"{parts.scheme}://{host}", user, password)


def cache() -> Path:
    """The directory that keeps the jars between runs."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "lineproof" / f"neo4j-{VERSION}"


@contextmanager
def _locked() -> Iterator[None]:
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def fetch_jars() -> Path:
    """The directory with Neo4j's jars, fetched with Maven when the cache has none (about 125 MB, two minutes).

    Raises:
        Missing: no Maven, or it could not reach its repository.
    """
    library = cache() / "lib"
    with _locked():
        if any(library.glob("neo4j-server-*.jar")):
            return library
        maven = shutil.which("mvn")
        if maven is None:
            raise Missing(f"the Neo4j jars are not in {library} and Maven is not installed; {FIX}")
        partial = cache() / "lib.partial"  # renamed when complete, so that a broken download is never taken for the whole
        shutil.rmtree(partial, ignore_errors=True)
        done = subprocess.run([maven, "-B", "-q", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={partial}", "-DincludeScope=runtime"],
                              check=False, capture_output=True, text=True, timeout=1800)
        if done.returncode != 0:
            raise Missing(f"Maven could not fetch the Neo4j jars: {(done.stdout + done.stderr)[-2000:]}")
        partial.rename(library)
    return library


@contextmanager
def run_neo4j(*, heap: str = "512m", pagecache: str = "64m", jvm: tuple[str, ...] = QUICK_START) -> Iterator[Neo4jServer]:
    """Start a Neo4j with an empty home and yield where it answers; gone, with its home, afterwards.

    Raises:
        Missing: no Java or no jars.
        RuntimeError: it did not start; the text carries its output.
    """
    java = shutil.which("java")
    if java is None:
        raise Missing(f"Java is not installed; {FIX}")
    library = fetch_jars()
    home = Path(tempfile.mkdtemp(prefix="lineproof-neo4j-"))
    console = home / "console.log"
    try:
        (home / "conf").mkdir()
        with _locked():  # one start at a time: a port must not be given twice, and a starting JVM fills a core
            port = free_port()
            (home / "conf" / "neo4j.conf").write_text(CONF.format(port=port, pagecache=pagecache))
            process = start([java, f"-Xms{heap}", f"-Xmx{heap}", *jvm, *OPENED, "-Dfile.encoding=UTF-8", "-Dio.netty.tryReflectionSetAccessible=true",
                             "-Dlog4j2.disable.jmx=true", "-cp", f"{library}/*", "org.neo4j.server.CommunityEntryPoint", f"--home-dir={home}",
                             f"--config-dir={home / 'conf'}", "--console-mode"], console=console, death_signal=signal.SIGKILL)
            try:
                server = Neo4jServer(f"bolt://127.0.0.1:{port}", "neo4j", PASSWORD)
                _await(process, server, console)
            except BaseException:
                stop(process, signal.SIGTERM, seconds=30)
                raise
        try:
            yield server
        finally:
            stop(process, signal.SIGTERM, seconds=30)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _await(process: subprocess.Popen[bytes], server: Neo4jServer, console: Path) -> None:
    """Wait until `server` answers, and give it its password: the first connection of a fresh home has to change it."""
    from neo4j import GraphDatabase
    from neo4j.exceptions import ServiceUnavailable, TransientError

    deadline = time.monotonic() + START_SECONDS
    while b"Started." not in console.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Neo4j did not start:\n{tail(console)}")
        time.sleep(0.2)
    while True:
        try:
            with GraphDatabase.driver(server.uri, auth=("neo4j", "neo4j")) as driver:
                driver.execute_query("ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO $password", password=server.password, database_="system")
            return
        except (ServiceUnavailable, TransientError) as error:
            if time.monotonic() > deadline:
                raise RuntimeError(f"Neo4j does not answer: {error}\n{tail(console)}") from error
            time.sleep(0.2)


def wipe(server: Neo4jServer) -> None:
    """Empty the graph: nodes, relationships, constraints and indexes (Community has one database, so tests share it)."""
    from neo4j import GraphDatabase

    with GraphDatabase.driver(server.uri, auth=server.auth) as driver:
        with driver.session(database="neo4j") as session:
            session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS").consume()
        for row in driver.execute_query("SHOW CONSTRAINTS YIELD name", database_="neo4j").records:
            driver.execute_query(f"DROP CONSTRAINT `{row['name']}` IF EXISTS", database_="neo4j")
        for row in driver.execute_query("SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP' RETURN name", database_="neo4j").records:
            driver.execute_query(f"DROP INDEX `{row['name']}` IF EXISTS", database_="neo4j")
