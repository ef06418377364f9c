from __future__ import annotations

import json
import os
import subprocess

import pytest
import typer
from typer.testing import CliRunner

from ingest_hooks.cli import ci_app, emit_command
from tests.integration.hooks.receiver import free_port, problem

WHO = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org", "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org",
       "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}

app = typer.Typer()
app.add_typer(ci_app, name="ci")
app.command("emit")(emit_command)


@pytest.fixture
def run(key, tmp_path, receiver):
    def call(*arguments: str, stdin: str | None = None, **env: str):
        environment = {"LINEPROOF_KEY": str(key), "LINEPROOF_URL": receiver.url, "LINEPROOF_SPOOL": str(tmp_path / "spool"), "LINEPROOF_TOKEN": "secret",
                       "CI": "", "GITHUB_ACTIONS": "", "GITLAB_CI": "", **env}
        return CliRunner().invoke(app, list(arguments), input=stdin, env=environment)

    return call


@pytest.fixture
def tree(tmp_path):
    path = tmp_path / "tree"
    path.mkdir()

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(path), *arguments], check=True, capture_output=True, text=True, env={**os.environ, **WHO}).stdout.strip()

    git("init", "-q", "-b", "main")
    for number in range(3):
        (path / f"{number}.sql").write_text(f"select {number}")
        git("add", ".")
        git("commit", "-q", "-m", f"Commit {number}")
    return path


def test_record_acknowledges_and_says_the_entry(run, tree, receiver):
    done = run("ci", "record", "--repo", str(tree))
    assert done.exit_code == 0, done.output
    assert done.output.startswith("acknowledged entry 0")
    (event,) = receiver.events
    assert (event["type"], event["data"]["subject"], event["data"]["dirty"]) == ("lineproof.commit.v1", "Commit 2", False)
    assert receiver.tokens == ["Bearer secret"]


def test_record_of_a_range_closes_the_stream_at_its_end(run, tree, receiver):
    (tree / "0.sql").write_text("changed")
    done = run("ci", "record", "--repo", str(tree), "--since", "HEAD~2", "--close-stream", "--repository", "local/flights", "--json",
               CI="true", BUILD_ID="5")
    assert done.exit_code == 0, done.output
    assert [row["state"] for row in json.loads(done.stdout)["events"]] == ["acknowledged", "acknowledged"]
    assert [(event["data"]["subject"], event["data"]["dirty"], event.get("streamclosed")) for event in receiver.events] == [
        ("Commit 1", False, None), ("Commit 2", True, True)]
    assert {event["data"]["repository"] for event in receiver.events} == {"local/flights"}
    assert receiver.events[0]["data"]["ciRun"] == {"provider": "ci", "runId": "5"}


def test_record_outside_a_repository_is_a_usage_error(run, tmp_path):
    done = run("ci", "record", "--repo", str(tmp_path))
    assert done.exit_code == 2
    assert "git" in done.output


def test_record_without_service_waits_in_the_spool_and_exits_3(run, tree, receiver):
    done = run("ci", "record", "--repo", str(tree), "--timeout", "0.3", LINEPROOF_URL=f"http://127.0.0.1:{free_port()}")
    assert done.exit_code == 3
    assert "waiting" in done.output
    again = run("ci", "record", "--repo", str(tree))
    assert again.exit_code == 0
    assert len(receiver.events) == 2


def test_refused_and_unsignable_events_exit_1(run, tree, receiver, tmp_path):
    receiver.item_fault = lambda body: problem(403, "out-of-scope")
    refused = run("ci", "record", "--repo", str(tree))
    assert (refused.exit_code, "refused" in refused.output) == (1, True)
    unsigned = run("ci", "record", "--repo", str(tree), LINEPROOF_KEY=str(tmp_path / "nowhere.pem"))
    assert (unsigned.exit_code, "dead" in unsigned.output) == (1, True)


def test_emit_takes_one_event_an_array_lines_and_openlineage(run, tmp_path, receiver):
    dataset = {"type": "lineproof.dataset.v1", "data": {"namespace": "n", "name": "d"}, "id": "one"}
    lineage = {"eventType": "START", "eventTime": "2026-11-22T10:00:00Z", "producer": "https://x.example", "run": {"runId": "r"},
               "job": {"namespace": "n", "name": "j"}}
    (tmp_path / "one.json").write_text(json.dumps(dataset))
    (tmp_path / "many.json").write_text(json.dumps([dataset, lineage]))
    assert run("emit", str(tmp_path / "one.json")).exit_code == 0
    assert run("emit", str(tmp_path / "many.json")).exit_code == 0
    assert run("emit", "-", stdin=json.dumps(lineage) + "\n" + json.dumps(dataset) + "\n").exit_code == 0
    assert [event.get("id") or event["eventType"] for event in receiver.events] == ["one", "one", "START", "START", "one"]


@pytest.mark.parametrize("text", ["", "nonsense", "[1]", "3"])
def test_emit_of_something_else_is_a_usage_error(run, tmp_path, text):
    (tmp_path / "file.json").write_text(text)
    assert run("emit", str(tmp_path / "file.json")).exit_code == 2
    assert run("emit", str(tmp_path / "missing.json")).exit_code == 2
