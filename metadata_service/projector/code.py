"""Code: commits, versions of transformations, and which version a run ran.

A run's code is, in this order: what its `lineproof_transformation` facet names; the file at a revision (`sourceCodeLocation`);
the SQL text; the source text. Without any of them it is unknown, which is not a version.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import rfc8785

from lineproof_schema.models.code import CommitData, TransformationData
from lineproof_schema.openlineage import JobPart
from lineproof_schema.urn import UrnError, parse_urn
from metadata_service.projector.names import job_urn, of, principal_urn, repository_name
from metadata_service.projector.plain import as_dict, as_text

if TYPE_CHECKING:
    from metadata_service.projector.view import Draft

__all__ = ["Code", "author_of", "code_of_job", "commit_urn", "enrich", "project_commit", "project_transformation", "record_commit",
           "sql_digest", "text_version"]

_RANKS: Final = {"lineproof_transformation": 4, "sourceCodeLocation": 3, "sql": 2, "sourceCode": 1}


@dataclass(frozen=True, slots=True)
class Code:
    """The code a run ran: `rank` says how it was found, `facts` what is known of the version."""

    transformation: str
    rank: int
    commit: str | None = None
    image: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@lru_cache(2_048)  # the texts of a day's jobs: the same ones come again and again
def sql_digest(query: str) -> str:
    """SHA-256 of a SQL text as sent, hex."""
    return hashlib.sha256(query.encode("utf-8", "replace")).hexdigest()


@lru_cache(2_048)
def text_version(raw: str) -> str:
    """The version of a transformation that is one text: SHA-256 over RFC 8785 JSON {rawCode, modules, config}, hex."""
    return hashlib.sha256(rfc8785.dumps({"rawCode": sql_digest(raw), "modules": {}, "config": None})).hexdigest()


def commit_urn(repository: str | None, sha: str | None) -> str | None:
    """The commit's URN, None when repository or revision is not known."""
    if not repository or not sha:
        return None
    host, slash, path = repository.partition("/")
    return of("commit", f"{host.lower()}{slash}{path}", sha)


def code_of_job(job: JobPart) -> Code | None:
    """The code of a run or job event; None if it says none."""
    for found in (_own(job), _located(job), _sql(job), _source(job)):
        if found is not None:
            return found
    return None


def _own(job: JobPart) -> Code | None:
    facet = as_dict(job.facets.get("lineproof_transformation"))
    urn = as_text(facet.get("urn"))
    if urn is None:
        return None
    try:
        if parse_urn(urn).kind != "transformation" or "%00" in urn:
            return None
        repository, sha = as_text(facet.get("repository")), as_text(facet.get("commit"))
        location = as_dict(job.facets.get("sourceCodeLocation"))
        if repository is None and as_text(location.get("repoUrl")):
            repository = repository_name(location["repoUrl"])
        commit, image = commit_urn(repository, sha), as_text(facet.get("image"))
        image = of("image", image) if image else None
    except UrnError:
        return None
    facts = {"path": as_text(facet.get("path")), "repository": repository, "commit": commit or sha, "image": as_text(facet.get("image")),
             "lockfile": as_text(facet.get("lockfile"))}
    return Code(urn, _RANKS["lineproof_transformation"], commit, image, facts)


def _located(job: JobPart) -> Code | None:
    facet = as_dict(job.facets.get("sourceCodeLocation"))
    sha, where = as_text(facet.get("version")), as_text(facet.get("path")) or as_text(facet.get("url"))
    if sha is None or where is None:
        return None
    url = as_text(facet.get("repoUrl"))
    repository = repository_name(url) if url else None
    try:
        commit = commit_urn(repository, sha)
        version = hashlib.sha256(rfc8785.dumps({"repository": repository, "version": sha, "path": where})).hexdigest()
        urn = of("transformation", job.namespace, job.name, version)
    except (UrnError, rfc8785.CanonicalizationError):
        return None
    return Code(urn, _RANKS["sourceCodeLocation"], commit, None, {"path": as_text(facet.get("path")), "repository": repository, "commit": commit or sha})


def _sql(job: JobPart) -> Code | None:
    facet = as_dict(job.facets.get("sql"))
    query = as_text(facet.get("query"))
    if query is None:
        return None
    urn = of("transformation", job.namespace, job.name, text_version(query))
    return Code(urn, _RANKS["sql"], None, None, {"language": "sql", "dialect": as_text(facet.get("dialect")), "rawCode": sql_digest(query)})


def _source(job: JobPart) -> Code | None:
    facet = as_dict(job.facets.get("sourceCode"))
    source = as_text(facet.get("sourceCode")) or as_text(facet.get("source"))
    if source is None:
        return None
    urn = of("transformation", job.namespace, job.name, text_version(source))
    return Code(urn, _RANKS["sourceCode"], None, None, {"language": as_text(facet.get("language")), "rawCode": sql_digest(source)})


def enrich(draft: Draft, code: Code) -> None:
    """The transformation exists; facts it does not have yet are taken from `code`. What is there stays: a version does not change."""
    urn = code.transformation
    draft.ensure(urn)
    new = [(name, value) for name, value in code.facts.items() if value is not None and draft.fact(urn, name) is None]
    for name, value in new:
        draft.revise(urn, name, value)
    if code.commit is not None and draft.fact(urn, "commit") == code.commit:
        _from_commit(draft, urn, code.commit, any(name == "commit" for name, _ in new))
    if code.image is not None and any(name == "image" for name, _ in new):
        draft.ensure(code.image)
        draft.link("RUNS_IN", urn, code.image)


def _from_commit(draft: Draft, transformation: str, commit: str, new: bool) -> None:
    if new:
        record_commit(draft, commit)
        draft.link("FROM_COMMIT", transformation, commit)


def record_commit(draft: Draft, commit: str) -> None:
    """A commit that an event names exists, and its repository."""
    if draft.ensure(commit):
        repository = of("repository", parse_urn(commit).components[0])
        draft.ensure(repository)
        draft.link("IN_REPOSITORY", commit, repository)
    draft.touch(commit, "mention")


def project_commit(draft: Draft, data: CommitData) -> None:
    """`lineproof.commit.v1`."""
    urn = commit_urn(data.repository, data.sha)
    if urn is None:
        return
    author = (data.author.email or data.author.name).strip()
    who = principal_urn(author) if author else None
    record_commit(draft, urn)
    draft.touch(urn)
    said = data.model_dump(mode="json", by_alias=True, exclude_none=True)
    for name in ("repository", "sha", "author", "committedAt", "subject", "parents", "branch", "tag", "pullRequest", "changedFiles", "dirty", "ciRun"):
        if name in said:
            draft.revise(urn, name, said[name])
    if who is not None:
        draft.ensure(who)
        draft.link("AUTHORED_BY", urn, who)
        draft.actor = author.lower()
    draft.commit = urn


def project_transformation(draft: Draft, data: TransformationData) -> None:
    """`lineproof.transformation.v1`: the content hash is the identity, so a later event can only fill in what was unknown.

    Its `commit` stays that of the version's first entry.
    """
    urn = of("transformation", data.namespace, data.name, data.version)
    commit = commit_urn(data.repository, data.commit)
    draft.touch(urn)
    draft.touch(job_urn(data.namespace, data.name))
    said = data.model_dump(mode="json", by_alias=True, exclude_none=True)
    image = of("image", data.image) if data.image else None
    facts = {name: said[name] for name in ("language", "dialect", "rawCode", "modules", "config", "path", "repository", "image", "lockfile", "sourceMap",
                                           "timePredicates", "windowFrames") if name in said and said[name] not in ([], {})}
    if data.dirty:
        facts["dirty"] = True
    if data.commit is not None:
        facts["commit"] = commit or data.commit
    enrich(draft, Code(urn, _RANKS["lineproof_transformation"], commit, image, facts))
    draft.revise(urn, "rawCodeLine", data.raw_code_line)  # no part of the version: blank lines before it come and go
    draft.commit = commit
    if commit is not None:
        draft.touch(commit, "mention")
        draft.actor = author_of(draft, commit)


def author_of(draft: Draft, commit: str) -> str | None:
    """Who wrote the commit, as far as the graph knows: lower-cased e-mail or name."""
    author = as_dict(draft.fact(commit, "author"))
    who = as_text(author.get("email")) or as_text(author.get("name"))
    return who.strip().lower() if who else None
