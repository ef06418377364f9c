"""How much is measured: the default run takes minutes, `BENCH=full` takes the sizes the design speaks of."""
from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT", "FULL", "Scale"]


@dataclass(frozen=True, slots=True)
class Scale:
    """Counts of one run. Times in seconds."""

    name: str
    appended: int  # entries of an append run
    sizes: tuple[int, ...]  # of the logs in which the costs of an append, a proof and a check are compared
    checked: int  # entries of the log that fsck reads
    emitted: int
    ingested: int  # events sent in batches
    load_seconds: float  # of each run with many connections
    projected: int  # run events
    repeated: int
    wide: int  # events of 200 columns
    long: int  # entries of the log along which the projector's memory is measured
    nodes: int
    edges: int
    questions: int  # how often each question is asked
    neo4j_memory: tuple[str, str]  # heap and page cache: the graph fits both
    fuzzed: int  # inputs of a target, times its weight


DEFAULT = Scale("default", appended=40_000, sizes=(10_000, 100_000), checked=50_000, emitted=1_500, ingested=20_000, load_seconds=6, projected=1_000,
                repeated=5_000, wide=100, long=50_000, nodes=100_000, edges=300_000, questions=24,
                neo4j_memory=("1g", "512m"), fuzzed=1_000)
FULL = Scale("full", appended=100_000, sizes=(10_000, 100_000, 1_000_000), checked=200_000, emitted=10_000, ingested=100_000, load_seconds=30,
             projected=20_000, repeated=50_000, wide=2_000, long=1_000_000, nodes=1_000_000, edges=3_000_000, questions=100,
             neo4j_memory=("3g", "6g"), fuzzed=10_000)
