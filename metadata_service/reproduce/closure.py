"""From a dataset version back to inputs that are kept: the runs that wrote what was read, run by run.

A version whose bytes are retained ends the walk; so does one that nothing says how to build, with the reason. The steps come out in an
order in which they can be run again.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lineproof_schema.urn import parse_urn
from metadata_service.graph.port import NodeRow
from metadata_service.queries.activity import EPOCH, RunRef, runs
from metadata_service.queries.context import QueryContext
from metadata_service.queries.shapes import as_time
from metadata_service.reproduce.shape import MAX_STEPS, checked_facet
from metadata_service.reproduce.shapes import Closure, Input, Output, Step

__all__ = ["Walker", "artifacts_of", "files_of"]

LINK_LIMIT = 1_000
REBUILD_FACT = "facet:lineproof_rebuild"


class Walker:
    """One walk. `urns` collects every entity that the manifest will name, for the viewer's grants."""

    def __init__(self, context: QueryContext, moment: str | None) -> None:
        self.context = context
        self.moment = moment
        self.found = Closure()
        self.urns: set[str] = set()
        self._done: set[str] = set()
        self._runs: set[str] = set()
        self._held: dict[str, bool] = {}

    async def version(self, urn: str, *, build: bool = False, below: tuple[str, ...] = ()) -> None:
        """Add what `urn` (a dataset version) needs. With `build` it is built even if its bytes are retained, because it is what is asked for."""
        if urn in below:
            self.found.lacks("cycle", urn, "it was made from itself")
            return
        if urn in self._done:
            return
        self._done.add(urn)
        self.urns.add(urn)
        row = (await self.context.graph.get([urn], self.context.at)).get(urn)
        if row is None:
            self.found.lacks("unknown-version", urn, "nothing is known of this version")
            return
        retention = await self._retention(row)
        if retention["state"] != "missing" and not build:
            self.found.inputs.append(self._input(row, retention))
            return
        run = await self._writer(urn)
        if run is not None:
            await self.run(run, below=(*below, urn))
        elif retention["state"] != "missing":
            self.found.inputs.append(self._input(row, retention))
        else:
            self.found.inputs.append(self._input(row, retention))
            self.found.lacks("no-producer", urn, "no completed run is known to have written it, and its bytes are not retained")

    async def run(self, run: RunRef, *, below: tuple[str, ...] = ()) -> None:
        """Add a run, after everything it read."""
        if run.urn in self._runs:
            return
        self._runs.add(run.urn)
        self.urns.add(run.urn)
        if len(self._runs) > MAX_STEPS:
            self.found.lacks("too-many-steps", run.urn, f"more than {MAX_STEPS} runs")
            return
        rows = await self.context.graph.get([urn for urn in (run.urn, run.transformation) if urn is not None], self.context.at)
        links = (await self.context.links([run.urn], ["USED", "GENERATED"], LINK_LIMIT, "inputs and outputs of one run"))[run.urn]
        if any(sum(link.type == kind for link in links.out) > LINK_LIMIT for kind in ("USED", "GENERATED")):
            self.found.lacks("too-many-links", run.urn, f"it read or wrote more than {LINK_LIMIT} versions, and not all of them are named here")
        used = sorted({(link.dst, not link.props.get("inferred", False)) for link in links.out if link.type == "USED"})
        for urn, _ in used:
            await self.version(urn, below=below)
        generated = sorted({link.dst for link in links.out if link.type == "GENERATED"} - {urn for urn, _ in used})
        facts = rows[run.urn].facts
        code, facet = rows.get(run.transformation or ""), _plain(facts.get(REBUILD_FACT))
        if facet and (wrong := checked_facet(facet)) is not None:
            self.found.lacks("invalid-recording", run.urn, f"its `lineproof_rebuild` facet cannot be acted on: {wrong}")
            facet = {}
        step = Step(run.urn, _names(run.job), run.transformation or "", _code(code), facet, facts.get("compiledDigest"),
                    _text(facts.get("startedAt")), _text(facts.get("endedAt")), run.signed_by, tuple(used), await self._outputs(generated), run.commit)
        self.urns.update(urn for urn in (run.job, run.transformation, *generated) if urn)
        await self._check(step)
        self.found.steps.append(step)

    # ---- what is there

    async def _writer(self, version: str) -> RunRef | None:
        """The run that wrote it: of several that wrote the same rows the newest normal one that can be repeated."""
        links = (await self.context.links([version], ["GENERATED"], LINK_LIMIT, "runs that wrote one version")).get(version)
        writers = sorted({link.src for link in links.into}) if links is not None else []
        used = await self.context.links(writers, ["USED"], LINK_LIMIT, "inputs of one run")
        readers = {run for run, row in used.items() if any(link.dst == version for link in row.out)}  # it said what it had read
        known = [run for run in (await runs(self.context, writers)).values() if run.status == "COMPLETE" and run.urn not in readers]
        if not known:
            return None
        rows = await self.context.graph.get([run.urn for run in known], self.context.at)
        return max(known, key=lambda run: (REBUILD_FACT in rows[run.urn].facts, run.purpose in (None, "normal"), run.ended_at or EPOCH, run.urn))

    async def _outputs(self, versions: Sequence[str]) -> tuple[Output, ...]:
        rows = await self.context.graph.get(versions, self.context.at) if versions else {}
        found = []
        for urn, row in sorted(rows.items()):
            retention = await self._retention(row)
            found.append(Output(urn, _dataset(urn), _fingerprint(row), retention if retention["state"] == "retained" else None))
        return tuple(found)

    def _input(self, row: NodeRow, retention: dict[str, Any]) -> Input:
        if retention["state"] == "held" and not files_of(retention) and _fingerprint(row) is None:
            self.found.lacks("no-digest", row.urn, "its bytes are held elsewhere, and neither digests of files nor a fingerprint of its rows were recorded")
        return Input(row.urn, _dataset(row.urn), _fingerprint(row), retention)

    async def _retention(self, row: NodeRow) -> dict[str, Any]:
        hold = _plain(row.facts.get("hold"))
        until = as_time(hold.get("until"))
        if hold and until is not None and self.moment is not None and until <= (as_time(self.moment) or until):
            return {"state": "missing", **hold, "expired": True}
        files = _plain(hold.get("files"))
        if hold.get("kind") == "artifact" and files:
            return {"state": "retained" if await self._all_held(files) else "missing", **hold}
        pointer = _plain(row.facts.get("pointer"))
        files = _plain(pointer.get("files"))
        if pointer.get("format") == "files" and files and await self._all_held(files):
            return {"state": "retained", "kind": "artifact", "format": "raw", "files": files}
        if hold:
            return {"state": "held", **hold, **({"pointer": pointer} if pointer else {})}
        return {"state": "missing", **({"pointer": pointer} if pointer else {})}

    async def _all_held(self, files: Mapping[str, Any]) -> bool:
        return all([await self.held(str(digest)) for digest in files.values()])

    async def held(self, digest: str) -> bool:
        """Whether the artifact store has these bytes."""
        if digest not in self._held:
            self._held[digest] = self.context.room.held is not None and await self.context.room.held(digest) is not None
        return self._held[digest]

    # ---- what is missing

    async def _check(self, step: Step) -> None:
        lacks, facts = self.found.lacks, step.facts
        if not step.transformation or not step.code.get("rawCode"):
            lacks("unknown-code", step.run, "the run does not say which code it ran")
        if not facts:
            lacks("not-recorded", step.run, "the hook of this run recorded no `lineproof_rebuild` facet: it is plain OpenLineage, or an older hook")
        elif not facts.get("lockfile"):
            lacks("no-lockfile", step.run, "the run named no lock file: set LINEPROOF_LOCKFILE for the pipeline")
        for name in facts.get("environment") or ():
            lacks("environment-variable", step.run, f"the code reads the environment variable {name}, whose value is never recorded")
        for blocker in facts.get("blockers") or ():
            lacks(str(blocker.get("code")), step.run, str(blocker.get("detail")))
        for output in step.outputs:
            if output.fp1 is None:
                lacks("no-fingerprint", output.version, "it has no fp1 fingerprint to compare with")
        if not step.outputs:
            lacks("no-output", step.run, "the run wrote no version that is known")
        for role, name, digest in artifacts_of(step):
            if not await self.held(digest):
                lacks("missing-artifact", step.run, f"{role} {name} is not in the artifact store: sha256:{digest}")


def files_of(retention: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 by name of the files that a dataset version consists of, as far as they were recorded."""
    return _plain(retention.get("files")) or _plain(_plain(retention.get("pointer")).get("files"))


def artifacts_of(step: Step) -> list[tuple[str, str, str]]:
    """(role, name, SHA-256) of everything a step's code and environment consist of."""
    found: list[tuple[str, str, str]] = []
    code, facts = step.code, step.facts
    if code.get("rawCode"):
        found.append(("code", str(code.get("path") or step.job[1]), str(code["rawCode"])))
    found += [("module", str(name), str(digest)) for name, digest in sorted(_plain(code.get("modules")).items())]
    if code.get("config"):
        found.append(("configuration", step.job[1], str(code["config"])))
    if facts.get("lockfile"):
        found.append(("lockfile", str(facts.get("lockfileName") or "lock file"), str(facts["lockfile"])))
    for upstream in _plain(facts.get("node")).get("upstream") or ():
        if upstream.get("code"):
            found.append(("code", str(upstream.get("uniqueId")), str(upstream["code"])))
        found += [("module", str(name), str(digest)) for name, digest in sorted(_plain(upstream.get("modules")).items())]
    found += [("code", str(path), str(digest)) for path, digest in sorted(_plain(_plain(facts.get("call")).get("files")).items())]
    return list(dict.fromkeys(found))


def _fingerprint(row: NodeRow) -> dict[str, Any] | None:
    said = row.facts.get("fingerprint")
    return dict(said) if isinstance(said, Mapping) and said.get("algorithm", "fp1") == "fp1" else None


def _code(row: NodeRow | None) -> dict[str, Any]:
    if row is None:
        return {}
    kept = ("language", "dialect", "rawCode", "modules", "config", "path", "repository", "commit", "dirty", "image")
    return {name: row.facts[name] for name in kept if row.facts.get(name) is not None}


def _dataset(version: str) -> tuple[str, str]:
    components = parse_urn(version).components
    return components[0], components[1]


def _names(job: str | None) -> tuple[str, str]:
    components = parse_urn(job).components if job else ("", "")
    return components[0], components[1]


def _plain(value: Any) -> dict[str, Any]:
    return {key: found for key, found in value.items() if not key.startswith("_")} if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
