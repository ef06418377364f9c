"""A log to write in, and questions to the graph it projects to."""
from __future__ import annotations

from typing import Any

from lineproof_schema.urn import format_urn
from metadata_service.graph.ops import COLUMN_DERIVED_FROM, DERIVED_FROM, OPEN, EntryRecord
from metadata_service.projector import Projector
from tests.unit.projector.memory_graph import MemoryGraph
from tests.unit.projector.recorded import RecordedLog, new_log


class World:
    """A log, and questions to the graph projected from it."""

    def __init__(self) -> None:
        self.log: RecordedLog = new_log()
        self.graph = MemoryGraph()
        self.projector = Projector(self.log, self.graph)

    async def project(self) -> None:
        """Project what is new; the digest kept on the way is that of the rows."""
        while await self.projector.step():
            pass
        assert (await self.graph.position()).digest == await self.graph.digest()
        assert sorted(self.graph.records) == list(range(self.log.size()))

    def assets(self, at: int | None = None) -> set[tuple[str, str]]:
        """Dataset-level edges at a size, as (downstream, upstream) names."""
        return {(_short(edge.downstream), _short(edge.upstream)) for edge in self.edges(DERIVED_FROM, at)}

    def columns(self, at: int | None = None) -> set[tuple[str, str]]:
        """Column-level edges at a size."""
        return {(_short(edge.downstream), _short(edge.upstream)) for edge in self.edges(COLUMN_DERIVED_FROM, at)}

    def edges(self, family: str, at: int | None = None) -> list[Any]:
        return [edge for edge in self.graph.edges.values()
                if edge.family == family and (edge.to == OPEN if at is None else edge.from_ <= at < edge.to)]

    def facts(self, urn: str) -> dict[str, Any]:
        return {fact: self.graph.facts[(urn, fact, from_)][0] for fact, from_ in self.graph.current.get(urn, {}).items()}

    def links(self, kind: str) -> set[tuple[str, str]]:
        return {(_short(src), _short(dst)) for (found, src, dst) in self.graph.links if found == kind}

    def outcome(self, index: int) -> tuple[str, str | None]:
        record: EntryRecord = self.graph.records[index]
        return record.status, record.reason

    def touched(self, index: int) -> set[str]:
        return {_short(urn) for urn, at in self.graph.touched if at == index}


def _short(urn: str) -> str:
    """`name`, `name.column`, or the last component of others."""
    parts = urn.split(":")
    if parts[2] == "dataset":
        return parts[4]
    return f"{parts[4]}.{'.'.join(parts[5:])}" if parts[2] == "column" else ":".join(parts[-2:])


def dataset(name: str) -> str:
    return format_urn("dataset", "db", name)
