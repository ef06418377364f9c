"""The service on PostgreSQL: log, tokens, quarantine and graph in one database; two processes on one log."""
from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.serve_process import serving
from tests.service_world import openlineage_run, running_service, service_settings

pytestmark = pytest.mark.postgres


@pytest.mark.anyio
async def test_intake_quarantine_and_projection_on_postgresql(tmp_path: Path, postgres_database: str) -> None:
    settings = service_settings(tmp_path, database_url=postgres_database, graph_url=postgres_database)
    async with running_service(settings) as world:
        answer = await world.post(world.cloudevent(), prefer="wait=projected")
        assert (answer.status_code, answer.json()["outcome"]["status"]) == (200, "applied"), answer.text
        item = (await world.post(b"{broken")).json()["quarantine"]
        assert (await world.http.get(f"/api/v1/admin/quarantine/{item}")).status_code == 200
        headers = world.as_("reader")
        assert (await world.http.get("/api/v1/log/entries/3", headers=headers)).json()["envelope"]
    async with running_service(settings) as again:  # the second start finds everything
        assert again.rooms.admin_token is None
        assert (await again.http.get("/readyz")).json()["log"] == 5


def test_two_api_processes_share_one_log(tmp_path: Path, postgres_database: str) -> None:
    env = {"LINEPROOF_DATABASE_URL": postgres_database}
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    data = str(one / ".lineproof")
    with serving(one, env=env) as first:
        token = first.token
        first.stop()
    address = Path(data) / "address"
    with serving(one, "--projector", "off", env=env) as first:
        address.rename(address.with_suffix(".first"))
        second_env = {**env, "LINEPROOF_STATE_DIR": str(one / "state")}
        (two / ".lineproof").symlink_to(data)
        with serving(two, "--projector", "off", env=second_env) as second:
            answers = []
            for number, service in enumerate((first, second) * 5):
                with httpx.Client(base_url=service.url, headers={"authorization": f"Bearer {token}"}) as http:
                    answers.append(http.post("/api/v1/lineage", content=json.dumps(openlineage_run(f"job-{number}"))).json())
            assert [answer["index"] for answer in answers] == list(range(2, 12))
