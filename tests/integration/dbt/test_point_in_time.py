"""A project like the flights' one, run by real dbt, with every model and column called something meaningless, five leaks and a clean twin of each."""
from __future__ import annotations

import asyncio
import random
import string
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lineproof_schema.urn import parse_urn
from metadata_service.graph.open import open_graph
from tests.command_line import as_json, lineproof
from tests.dbt_build import dbt_build
from tests.flights_world import BOB, World, open_world

pytest.importorskip("dbt.cli.main", reason="dbt is not installed")
DATASETS, REPOSITORY = "duckdb://w.duckdb", "git.example.org/any/thing"
MACRO = """{{% macro {m_totals}(relation, keys, at) %}}
    select {{{{ keys | join(', ') }}}}, {{{{ at }}}} as {c_at},
        sum(count(*)) over (partition by {{{{ keys | join(', ') }}}} order by {{{{ at }}}} rows between unbounded preceding and current row) as {c_n},
        sum(count(*) filter (where {c_flag})) over (
            partition by {{{{ keys | join(', ') }}}} order by {{{{ at }}}} rows between unbounded preceding and current row) as {c_hits}
    from {{{{ relation }}}}
    where {{{{ at }}}} is not null and {c_flag} is not null
    group by {{{{ keys | join(', ') }}}}, {{{{ at }}}}
{{% endmacro %}}
"""
STAGING = """select {c_id}, {c_key}, {c_plan} - to_hours({{{{ var('{v_lead}') }}}}) as {c_ref}, {c_start}, {c_end}, {c_delay} > 15 as {c_flag}, {c_size}
from {{{{ source('{s_raw}', '{t_trips}') }}}}
"""
RUNNING = """{{% set far = 7 %}}
with {c_totals} as (
    {{{{ {m_totals}(ref('{t_stg}'), ['{c_key}'], '{at}') }}}}
),
{c_asked} as (select distinct {c_key}, {c_ref} from {{{{ ref('{t_stg}') }}}}),
{c_now} as (
    select {c_asked}.{c_key}, {c_asked}.{c_ref}, {c_totals}.{c_hits}
    from {c_asked}
    asof left join {c_totals} on {c_asked}.{c_key} = {c_totals}.{c_key} and {c_asked}.{c_ref} > {c_totals}.{c_at}
),
{c_then} as (
    select {c_asked}.{c_key}, {c_asked}.{c_ref}, {c_totals}.{c_hits}
    from {c_asked}
    asof left join {c_totals} on {c_asked}.{c_key} = {c_totals}.{c_key} and {c_asked}.{c_ref} - interval {{{{ far }}}} day > {c_totals}.{c_at}
)
select {c_now}.{c_key}, {c_now}.{c_ref}, coalesce({c_now}.{c_hits}, 0) - coalesce({c_then}.{c_hits}, 0) as {c_value}
from {c_now}
join {c_then} on {c_now}.{c_key} = {c_then}.{c_key} and {c_now}.{c_ref} = {c_then}.{c_ref}
"""
EARLIER = """select {c_a}.{c_id}, {c_a}.{c_ref}, avg({c_b}.{c_flag}::int) as {c_value}
from {{{{ ref('{t_stg}') }}}} as {c_a}
left join {{{{ ref('{t_stg}') }}}} as {c_b} on {c_a}.{c_key} = {c_b}.{c_key}{condition}
group by {c_a}.{c_id}, {c_a}.{c_ref}
"""
READINGS = """select {c_a}.{c_id}, {c_a}.{c_ref}, max_by({c_b}.{c_measure}, {c_b}.{c_seen}) as {c_value}
from {{{{ ref('{t_stg}') }}}} as {c_a}
left join {{{{ source('{s_raw}', '{t_readings}') }}}} as {c_b}
    on {c_a}.{c_key} = {c_b}.{c_key} and {c_b}.{at} < {c_a}.{c_ref}
group by {c_a}.{c_id}, {c_a}.{c_ref}
"""
SAME_ROW = "select {c_id}, {c_ref}, {c_flag}::int * 2 as {c_value} from {{{{ ref('{t_stg}') }}}}\n"
OWN_PAST = """select {c_id}, {c_ref}, (
    select count(*) filter (where {c_b}.{c_flag}) from {{{{ ref('{t_stg}') }}}} as {c_b} where {c_b}.{c_key} = {c_a}.{c_key} and {c_b}.{c_end} < {c_a}.{c_ref}
) as {c_value}
from {{{{ ref('{t_stg}') }}}} as {c_a}
"""
# leak -> (its statement, its clean twin, the line and code that name it)
PAIRS: dict[str, tuple[str, str, int | None, str]] = {
    "keyed by another time": (RUNNING.replace("{at}", "{c_start}"), RUNNING.replace("{at}", "{c_end}"), 9, "wrong-time"),
    "no predicate": (EARLIER.replace("{condition}", ""), EARLIER.replace("{condition}", "\n    and {c_b}.{c_end} < {c_a}.{c_ref}"), 3, "no-predicate"),
    "not before but by then": (EARLIER.replace("{condition}", "\n    and {c_b}.{c_end} <= {c_a}.{c_ref}"),
                               EARLIER.replace("{condition}", "\n    and {c_a}.{c_ref} > {c_b}.{c_end}"), 4, "boundary"),
    "backfill": (READINGS.replace("{at}", "{c_seen}"), READINGS.replace("{at}", "{c_loaded}"), 4, "wrong-time"),
    "label upstream": (SAME_ROW, OWN_PAST, None, "wrong-time"),
}


class Names(dict[str, str]):
    """A new meaningless name for everything that is asked for, always the same for the same thing."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self._chance = random.Random(seed)

    def __missing__(self, what: str) -> str:
        name = ""
        while not name or name in self.values():
            name = "q" + "".join(self._chance.choices(string.ascii_lowercase, k=8))
        self[what] = name
        return name

    def fill(self, template: str) -> str:
        return string.Formatter().vformat(template, (), self)


@dataclass(frozen=True)
class Checked:
    """The renamed project, and where its log lies."""

    names: Names
    home: Path
    sha: str


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    names = Names(random.SystemRandom().randrange(10**9))
    print("names are made from seed", names.seed)
    folder = tmp_path_factory.mktemp("renamed")
    project = folder / "repo"
    write_project(project, names)
    write_data(folder / "w.duckdb", names)
    for command in (["init", "-q", "-b", "main"], ["remote", "add", "origin", f"https://{REPOSITORY}.git"], ["add", "-A"],
                    ["-c", "user.name=Bob Berg", "-c", "user.email=bob@example.org", "commit", "-q", "-m", "Features"]):
        subprocess.run(["git", "-C", str(project), *command], check=True, timeout=30)
    sha = subprocess.run(["git", "-C", str(project), "rev-parse", "HEAD"], check=True, capture_output=True, text=True, timeout=30).stdout.strip()
    said = dbt_build(project, W_DUCKDB=str(folder / "w.duckdb"))
    assert said["success"]
    home = folder / "home"
    asyncio.run(build(home, names, said["events"], sha))
    return Checked(names, home, sha)


def write_project(project: Path, names: Names) -> None:
    (project / "models").mkdir(parents=True)
    (project / "macros").mkdir()
    (project / "macros/m.sql").write_text(names.fill(MACRO))
    (project / "dbt_project.yml").write_text(names.fill(
        "name: p\nversion: '1.0'\nprofile: p\nmodels: {{p: {{+materialized: table}}}}\nvars: {{{v_lead}: 2}}\n"))
    (project / "profiles.yml").write_text("p: {target: d, outputs: {d: {type: duckdb, path: \"{{ env_var('W_DUCKDB') }}\", threads: 1}}}\n")
    models = {"t_stg": STAGING}
    joins, columns = [], []
    for number, (leak, clean, _, _) in enumerate(PAIRS.values()):
        for kind, text in (("leak", leak), ("clean", clean)):
            model = f"t_{kind}{number}"
            models[model] = text.replace("{c_value}", f"{{c_{kind}{number}}}")
            keys = ("c_key", "c_ref") if text.startswith(RUNNING[:20]) else ("c_id", "c_ref")
            on = " and ".join(f"{names['c_a']}.{names[key]} = {names[model]}.{names[key]}" for key in keys)
            joins.append(f"left join {{{{ ref('{names[model]}') }}}} as {names[model]} on {on}")
            columns.append(f"    {names[model]}.{names[f'c_{kind}{number}']},")
    for model, text in models.items():
        (project / f"models/{names[model]}.sql").write_text(names.fill(text))
    (project / f"models/{names['t_train']}.sql").write_text("\n".join([
        names.fill("select\n    {c_a}.{c_id}, {c_a}.{c_ref}, {c_a}.{c_end} as {c_known}, {c_a}.{c_size},"), *columns,
        names.fill("    {c_a}.{c_flag} as {c_label}\nfrom {{{{ ref('{t_stg}') }}}} as {c_a}"), *joins, names.fill("where {c_a}.{c_flag} is not null"), ""]))
    (project / "models/m.yml").write_text(names.fill("""
version: 2
sources:
  - name: {s_raw}
    schema: main
    tables:
      - name: {t_trips}
      - name: {t_readings}
        meta: {{lineproof: {{event_time: {c_seen}, knowledge: "column:{c_loaded}"}}}}
models:
  - name: {t_stg}
    meta: {{lineproof: {{event_time: {c_ref}, knowledge: "column:{c_end}"}}}}
    columns:
      - {{name: {c_size}, config: {{meta: {{lineproof: {{knowledge: "column:{c_ref}"}}}}}}}}
  - name: {t_train}
    meta: {{lineproof: {{event_time: {c_ref}, knowledge: "column:{c_known}"}}}}
"""))


def write_data(file: Path, names: Names) -> None:
    with duckdb.connect(str(file)) as connection:
        connection.execute(names.fill(
            "create table {t_trips} as select range as {c_id}, 'k' || range % 3 as {c_key}, timestamp '2026-01-01' + to_hours((range * 3)::int) as {c_plan}, "
            "timestamp '2026-01-01' + to_hours((range * 3 + 1)::int) as {c_start}, timestamp '2026-01-01' + to_hours((range * 3 + 5)::int) as {c_end}, "
            "range * 7 % 40 as {c_delay}, range * 100 as {c_size} from range(60)"))
        connection.execute(names.fill(
            "create table {t_readings} as select 'k' || range % 3 as {c_key}, timestamp '2026-01-01' + to_hours(range::int) as {c_seen}, "
            "timestamp '2026-02-01' as {c_loaded}, range::double as {c_measure} from range(100)"))


async def build(home: Path, names: Names, events: list[tuple[str, Any]], sha: str) -> None:
    (home / "data").mkdir(parents=True)
    graph = open_graph(f"sqlite:///{home / 'data' / 'graph.db'}")
    await graph.setup()
    world: World = open_world(home, graph)
    world.say("lineproof.commit.v1", {"repository": REPOSITORY, "sha": sha, "author": BOB, "committedAt": "2026-02-02T00:00:00Z", "subject": "Features"})
    trained = ""
    for kind, body in events:
        if kind == "openlineage":
            world.openlineage(body)
            continue
        if kind == "lineproof.dataset-version.v1" and body["name"].endswith(names["t_readings"]):
            world.say(kind, {**body, "backfill": True})  # what the loader says: all of it was loaded afterwards
        else:
            world.say(kind, body)
        if kind == "lineproof.dataset-version.v1" and body["name"].endswith(names["t_train"]):
            trained = body["id"]
    dataset = {"namespace": DATASETS, "name": f"w.main.{names['t_train']}"}
    columns = [names["c_size"], names["c_label"], *(names[f"c_{kind}{number}"] for number in range(len(PAIRS)) for kind in ("leak", "clean"))]
    world.say("lineproof.model-version.v1", {
        "namespace": "n", "name": names["m_model"], "version": "1", "artifact": "c" * 64, "trainingDatasets": [{**dataset, "version": trained}],
        "trainingColumns": [{**dataset, "column": column} for column in columns], "referenceTimeColumn": names["c_ref"], "labelTimeColumn": names["c_known"],
        "labelColumns": [names["c_label"]]})
    await world.settle()
    world.close()
    await graph.close()


@pytest.fixture(scope="module")
def answer(checked: Checked) -> dict[str, Any]:
    found: dict[str, Any] = as_json(checked.home, "features", "check", f"{checked.names['m_model']}@1", code=1)["pointInTimeChecks"]
    return found


def of(answer: dict[str, Any], check: str, column: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = [each for each in answer["checks"] if each["check"] == check and parse_urn(each["urn"]).name == column]
    return found


@pytest.mark.parametrize("number", range(len(PAIRS)), ids=list(PAIRS))
def test_each_leak_is_a_violation_and_its_twin_is_proven(checked: Checked, answer: dict[str, Any], number: int) -> None:
    _, _, line, code = list(PAIRS.values())[number]
    names, seed = checked.names, f"seed {checked.names.seed}"
    clean = of(answer, "TIME_PREDICATE", names[f"c_clean{number}"])
    assert (clean["state"], clean["code"]) == ("PROVEN", "known-before"), (seed, clean)
    leak = of(answer, "TIME_PREDICATE", names[f"c_leak{number}"])
    assert (leak["state"], leak["code"]) == ("VIOLATION", code), (seed, leak)
    place = leak["evidence"][0]
    if line is not None:
        assert (place["file"], place["line"]) == (f"models/{names[f't_leak{number}']}.sql", line), (seed, leak)
    assert (place["commit"]["sha"], place["commit"]["author"]) == (checked.sha, "Bob Berg")


def test_labels_upstream_are_told_apart_from_past_outcomes(checked: Checked, answer: dict[str, Any]) -> None:
    for number, name in enumerate(PAIRS):
        if name != "backfill":  # readings are no outcomes
            assert of(answer, "LABEL_UPSTREAM", checked.names[f"c_clean{number}"])["code"] == "known-outcomes"
            assert of(answer, "LABEL_UPSTREAM", checked.names[f"c_leak{number}"])["state"] == "VIOLATION"


def test_the_backfilled_source_is_named(checked: Checked, answer: dict[str, Any]) -> None:
    (backfill,) = [each for each in answer["checks"] if each["check"] == "BACKFILL"]
    assert (backfill["state"], backfill["code"]) == ("VIOLATION", "backfill")
    assert checked.names["t_readings"] in backfill["urn"]


def test_what_is_given_with_the_request_is_proven(checked: Checked, answer: dict[str, Any]) -> None:
    assert of(answer, "TIME_PREDICATE", checked.names["c_size"])["code"] == "own-row"


def test_the_command_names_file_line_and_commit(checked: Checked) -> None:
    shown = lineproof(checked.home, "features", "check", f"{checked.names['m_model']}@1", code=1)
    assert f"models/{checked.names['t_leak0']}.sql:9" in shown
    assert f"commit {checked.sha[:12]} by Bob Berg" in shown
