"""`lineproof ci enrol` against a real service and a real issuer, as a GitHub and as a GitLab job runs it."""
from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.oidc_issuer import GITHUB, GITLAB, Issuer, running_issuer
from tests.serve_process import lineproof, serving


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as served:
        yield served


class Runner:
    """What gives a GitHub job its token: an address and a bearer token of the job."""

    def __init__(self, issuer: Issuer) -> None:
        runner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                runner.asked.append((self.headers["Authorization"], parse_qs(urlsplit(self.path).query)))
                body = json.dumps({"value": issuer.token(runner.asked[-1][1]["audience"][0], GITHUB)}).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return

        self.asked: list[tuple[str | None, dict[str, list[str]]]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def test_a_job_enrols_and_emits_and_a_fork_is_refused(tmp_path: Path, issuer: Issuer) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"type": "lineproof.dataset.v1", "data": {"namespace": "sales", "name": "orders", "description": "d"}}))
    runner = Runner(issuer)
    try:
        with serving(tmp_path, "--projector", "off") as service:
            for name, *bound in (("etl", "--repository-id", "4711"), ("etl-gitlab", "--provider", "gitlab", "--repository-id", "22")):
                done = lineproof(tmp_path, "policy", "bind", name, *bound, "-n", "sales", "--issuer", issuer.url, "--url", service.url)
                assert done.returncode == 0, done.stderr
            with service.client() as http:
                origin = http.get("/readyz").json()["origin"]
            url = f"http://127.0.0.1:{runner.server.server_address[1]}/token?api-version=2"
            jobs = {"github": {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job"},
                    "gitlab": {"LINEPROOF_ID_TOKEN": issuer.token(origin, GITLAB)}}
            for name, environment in jobs.items():
                done = lineproof(tmp_path, "ci", "enrol", "--out", name, "--json", env={"LINEPROOF_URL": service.url, **environment})
                assert done.returncode == 0, done.stderr
                variables = json.loads(done.stdout)["variables"]
                assert (tmp_path / name / "job.pem").stat().st_mode & 0o777 == 0o600
                sent = lineproof(tmp_path, "emit", str(event), "--json", env={**variables, "LINEPROOF_SPOOL": str(tmp_path / f"spool-{name}")})
                assert sent.returncode == 0, sent.stderr + sent.stdout
                assert json.loads(sent.stdout)["events"][0]["state"] == "acknowledged"
            assert runner.asked == [("Bearer job", {"api-version": ["2"], "audience": [origin]})]
            fork = lineproof(tmp_path, "ci", "enrol", "--out", "fork", env={"LINEPROOF_URL": service.url,
                                                                            "LINEPROOF_ID_TOKEN": issuer.token(origin, {**GITLAB, "project_id": "23"})})
            assert (fork.returncode, "forbidden" in fork.stderr) == (1, True)
            outside = lineproof(tmp_path, "ci", "enrol", "--out", "none", env={"LINEPROOF_URL": service.url})
            assert (outside.returncode, "id-token: write" in outside.stderr) == (1, True)
            assert not (tmp_path / "fork").exists()
    finally:
        runner.close()
