"""What made the data: dataset versions, the runs that wrote them, and the commits behind the code. Read in batches."""
from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lineproof_schema.urn import kind_of, parse_urn
from metadata_service.graph.port import NodeRow
from metadata_service.queries.context import QueryContext
from metadata_service.queries.shapes import Long, as_time

__all__ = ["CommitRef", "RunRef", "VersionRef", "commit_of", "commits", "current_versions", "last_runs", "runs", "version_of", "versions", "versions_read",
           "writers_of"]

RUN_LIMIT = 1_000
VERSION_LINKS = 1_000
USED_LIMIT = 2_000  # inputs of one run
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CommitRef:
    """A commit as CI reported it: the author is what git says, nothing verified. Fields are null when no commit event was seen.

    `recorded_by` is the entry that said it.
    """

    urn: str
    sha: str
    repository: str
    author: str | None = None
    email: str | None = None
    subject: str | None = None
    committed_at: datetime | None = None
    branch: str | None = None
    pull_request: str | None = None
    dirty: bool | None = None
    recorded_by: Long | None = None


@dataclass(frozen=True, slots=True)
class RunRef:
    """A run: its claimed times, last status, and who signed its events (PRODUCER, SERVICE or ADMIN).

    `recorded_by` is the entry that said the status.
    """

    urn: str
    id: str
    status: str | None
    started_at: datetime | None
    ended_at: datetime | None
    purpose: str | None
    signed_by: str | None
    job: str | None
    transformation: str | None
    commit: str | None
    recorded_by: Long


@dataclass(frozen=True, slots=True)
class VersionRef:
    """A dataset version: `since` is the size it is known from, `inferred` that a reader did not name it and it was the current one."""

    urn: str
    id: str
    dataset: str
    since: Long
    committed_at: datetime | None
    fingerprint: str | None
    row_count: Long | None
    run: str | None
    inferred: bool = False


def commit_of(code: NodeRow | None) -> str | None:
    """The commit (URN) that a transformation names as its own."""
    said = code.facts.get("commit") if code is not None else None
    return said if isinstance(said, str) and kind_of(said) == "commit" else None


async def commits(context: QueryContext, urns: Iterable[str]) -> dict[str, CommitRef]:
    """Commits by URN; those without an event are given by what their URN says."""
    wanted = sorted(set(urns))
    rows = await context.graph.get(wanted, context.at) if wanted else {}
    return {urn: _commit(urn, rows.get(urn)) for urn in wanted}


async def runs(context: QueryContext, urns: Iterable[str]) -> dict[str, RunRef]:
    """Runs by URN, with the job and code they are linked to."""
    wanted = sorted(set(urns))
    if not wanted:
        return {}
    rows = await context.graph.get(wanted, context.at)
    links = await context.graph.provenance(list(rows), ["OF", "EXECUTED"], context.at)
    found = {}
    for urn, row in rows.items():
        out = links[urn].out if urn in links else ()
        job = next((link.dst for link in out if link.type == "OF"), None)
        executed = next((link.dst for link in out if link.type == "EXECUTED"), None)
        found[urn] = _run(row, job, executed)
    return found


async def versions(context: QueryContext, urns: Iterable[str]) -> dict[str, VersionRef]:
    """Dataset versions by URN; unknown ones are left out."""
    wanted = sorted(set(urns))
    rows = await context.graph.get(wanted, context.at) if wanted else {}
    writers = await writers_of(context, list(rows.values()))
    return {urn: version_of(row, _writer(row, writers[urn])) for urn, row in rows.items()}


async def writers_of(context: QueryContext, versions: Sequence[NodeRow]) -> dict[str, list[str]]:
    """The runs that wrote each version, oldest first: a step that only reads a snapshot declares it too, and is not its writer."""
    links = await context.graph.provenance([row.urn for row in versions], ["GENERATED", "USED"], context.at, VERSION_LINKS) if versions else {}
    found = {}
    for row in versions:
        into = links[row.urn].into if row.urn in links else ()
        read_it = {link.src for link in into if link.type == "USED"}
        found[row.urn] = [link.src for link in into if link.type == "GENERATED" and link.src not in read_it]
    return found


async def versions_read(context: QueryContext, readers: Collection[str]) -> dict[str, dict[str, tuple[str, bool]]]:
    """By run, or model version: dataset -> the version that it read or was trained on, and whether that is inferred; what it named outweighs that."""
    links = await context.links(sorted(readers), ["USED", "TRAINED_ON"], USED_LIMIT, "inputs of one run")
    found: dict[str, dict[str, tuple[str, bool]]] = {}
    for reader, row in links.items():
        read = found.setdefault(reader, {})
        for link in row.out:
            dataset = str(parse_urn(link.dst).parent)
            if dataset not in read or read[dataset][1]:
                read[dataset] = link.dst, bool(link.props.get("inferred"))
    return found


def _writer(row: NodeRow, writers: Sequence[str]) -> str | None:
    named = row.facts.get("run")
    return named if named in writers or not writers else writers[-1]


async def current_versions(context: QueryContext, datasets: Iterable[str], known: Mapping[str, NodeRow] | None = None) -> dict[str, VersionRef]:
    """The version each dataset has at the position, by dataset; datasets without any are left out. `known` are nodes that were read already."""
    wanted = sorted(set(datasets))
    rows = dict(known or {})
    missing = [urn for urn in wanted if urn not in rows]
    rows |= await context.graph.get(missing, context.at) if missing else {}
    named = {urn: str(rows[urn].facts["currentVersion"]) for urn in wanted if urn in rows and rows[urn].facts.get("currentVersion") is not None}
    found = await versions(context, named.values())
    return {urn: found[version] for urn, version in named.items() if version in found}


async def last_runs(context: QueryContext, jobs: Iterable[str]) -> dict[str, RunRef]:
    """The newest run of each job by claimed end (else start), whatever became of it."""
    wanted = sorted(set(jobs))
    links = await context.graph.provenance(wanted, ["OF"], context.at, RUN_LIMIT) if wanted else {}
    by_job = {job: [link.src for link in row.into if link.type == "OF"] for job, row in links.items()}
    for job, found in by_job.items():
        if len(found) >= RUN_LIMIT:
            context.notes.doubt("runs-truncated", f"more than {RUN_LIMIT} runs: the last one may be newer than shown", job)
    details = await runs(context, (urn for found in by_job.values() for urn in found[-RUN_LIMIT:]))
    newest = {}
    for job, found in by_job.items():
        known = [details[urn] for urn in found if urn in details]
        if known:
            newest[job] = max(known, key=lambda run: (run.ended_at or run.started_at or EPOCH, run.urn))
    return newest


def _commit(urn: str, row: NodeRow | None) -> CommitRef:
    repository, sha = parse_urn(urn).components
    if row is None:
        return CommitRef(urn, sha, repository)
    author = row.facts.get("author")
    named: Mapping[str, Any] = author if isinstance(author, Mapping) else {}
    return CommitRef(urn, sha, repository, named.get("name"), named.get("email"), row.facts.get("subject"), as_time(row.facts.get("committedAt")),
                     row.facts.get("branch"), row.facts.get("pullRequest"), row.facts.get("dirty"), row.since["author"] - 1 if "author" in row.since else None)


def _run(row: NodeRow, job: str | None, executed: str | None) -> RunRef:
    facts = row.facts
    return RunRef(row.urn, parse_urn(row.urn).name, facts.get("status"), as_time(facts.get("startedAt")), as_time(facts.get("endedAt")), facts.get("purpose"),
                  facts.get("signedBy"), job, facts.get("transformation") or executed, facts.get("commit"),
                  row.since.get("status", row.from_) - 1)


def version_of(row: NodeRow, run: str | None) -> VersionRef:
    """A version as `run` wrote it."""
    facts = row.facts
    fingerprint = facts.get("fingerprint")
    digest = fingerprint.get("sha256") if isinstance(fingerprint, Mapping) else fingerprint
    rows = facts.get("rowCount")
    if rows is None and isinstance(fingerprint, Mapping):
        rows = fingerprint.get("rows")
    parsed = parse_urn(row.urn)
    return VersionRef(row.urn, parsed.components[2], str(parsed.parent), row.from_, as_time(facts.get("committedAt")), digest, rows, run)
