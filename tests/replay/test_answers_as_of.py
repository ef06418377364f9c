"""Answers as of any position, over random histories, and seeded faults that must be seen in them."""
from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from metadata_service.graph import sql_text, sql_walk
from metadata_service.projector.rebuild import rebuild
from metadata_service.queries import audit_trail, diff
from tests.replay.event_streams import Stream
from tests.replay.whole_answers import broken, opened
from tests.services.neo4j_server import Neo4jServer

pytestmark = pytest.mark.anyio

LENGTH = 60
SEEDS = st.integers(0, 2**32 - 1)


async def _broken(seed: int, directory: Path, url: str | None = None, every: int = 1, diffs: int = 30) -> list[str]:
    stream = Stream(seed, LENGTH)
    for name in ("whole.db", "stepping.db"):
        (directory / name).unlink(missing_ok=True)
    async with opened(url or f"sqlite:///{directory / 'whole.db'}") as whole, opened(f"sqlite:///{directory / 'stepping.db'}") as stepping:
        await rebuild(stream.log, whole)
        return await broken(stream, whole, stepping, random.Random(seed), every, diffs)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("as-of")


@settings(max_examples=3, phases=[Phase.explicit, Phase.generate])  # a seed has nothing to shrink
@given(seed=SEEDS)
async def test_every_answer_as_of_any_size_is_that_of_a_rebuild_and_diffs_are_exact(seed: int, directory: Path) -> None:
    assert await _broken(seed, directory) == []


@pytest.mark.postgres
async def test_postgresql_answers_as_of_like_a_rebuild(postgres_database: str, directory: Path) -> None:
    assert await _broken(1, directory, postgres_database, every=5, diffs=15) == []


@pytest.mark.neo4j
async def test_neo4j_answers_as_of_like_a_rebuild(neo4j_uri: str, neo4j_server: Neo4jServer, directory: Path) -> None:
    assert await _broken(2, directory, neo4j_server.url, every=15, diffs=5) == []


# -- seeded faults: each is one wrong statement or rule, and the promises above must see it

Patch = pytest.MonkeyPatch


def _statement(patch: Patch, where: Any, name: str, right: str, wrong: str) -> None:
    """The statements that `name` builds, with `wrong` in the place of `right`."""
    build = getattr(where, name)

    def built(*args: Any, **kwargs: Any) -> str:
        made: str = build(*args, **kwargs)
        return made.replace(right, wrong)

    patch.setattr(where, name, built)


def closed_edges_live_one_entry_too_long(patch: Patch) -> None:
    _statement(patch, sql_walk, "step", "e.to_ > ?", "e.to_ >= ?")


def edges_begin_one_entry_too_early(patch: Patch) -> None:
    _statement(patch, sql_walk, "step", "e.from_ <= ?", "e.from_ <= ? + 1")


def the_past_forgets_what_ended(patch: Patch) -> None:
    _statement(patch, sql_walk, "step", "e.to_ > ?", "e.to_ < ?")


def facts_end_one_entry_too_late(patch: Patch) -> None:
    patch.setattr(sql_text, "FACTS_AT", sql_text.FACTS_AT.replace("r.to_ > ?", "r.to_ >= ?"))


def entities_are_there_before_they_were_said(patch: Patch) -> None:
    patch.setattr(sql_text, "EXISTING", sql_text.EXISTING.replace("<= ?", "<= ? + 3"))


def links_of_today(patch: Patch) -> None:
    _statement(patch, sql_text, "links", "l.from_ <= ? AND", "l.from_ <= ? + 1000000 AND")


def history_leaves_out_what_ended(patch: Patch) -> None:
    _statement(patch, sql_text, "changed", "(e.to_ > ? AND e.to_ <= ?)", "(e.to_ > ? AND e.to_ < ? AND 1 = 0)")


def history_begins_one_entry_late(patch: Patch) -> None:
    _statement(patch, sql_text, "changed", "e.from_ > ? AND", "e.from_ > ? + 1 AND")


def a_diff_leaves_out_what_is_gone(patch: Patch) -> None:
    right = diff._edges
    patch.setattr(diff, "_edges", lambda old, new: [pair for pair in right(old, new) if pair[1] is not None])


def a_diff_pairs_whatever_comes(patch: Patch) -> None:
    right = diff._edges
    patch.setattr(diff, "_edges", lambda old, new: [(before, before and after) for before, after in right(old, new)])


def a_diff_looks_at_now(patch: Patch) -> None:
    right = diff._side
    patch.setattr(diff, "_side", lambda context, *args: right(replace(context, at=None), *args))


def trails_go_on_beyond_the_position(patch: Patch) -> None:
    right = audit_trail._rows
    patch.setattr(audit_trail, "_rows", lambda context, subjects, start, end, *args: right(context, subjects, start, end + 1, *args))


FAULTS = (closed_edges_live_one_entry_too_long, edges_begin_one_entry_too_early, the_past_forgets_what_ended, facts_end_one_entry_too_late,
          entities_are_there_before_they_were_said, links_of_today, history_leaves_out_what_ended, history_begins_one_entry_late,
          a_diff_leaves_out_what_is_gone, a_diff_pairs_whatever_comes, a_diff_looks_at_now,
          trails_go_on_beyond_the_position)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_a_seeded_fault_is_caught(fault: Callable[[Patch], None], monkeypatch: Patch, directory: Path) -> None:
    fault(monkeypatch)
    for seed in range(1, 9):
        try:
            if await _broken(seed, directory, every=3):
                return
        except (AssertionError, KeyError, IndexError):
            return  # an answer trips over what cannot be
    pytest.fail(f"no answer noticed: {fault.__name__}")
