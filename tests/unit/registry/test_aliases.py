"""Where one step back leads."""
from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineproof_schema.urn import UrnError
from metadata_service.registry.aliases import AliasMove, one_step_back
from metadata_service.registry.errors import UnknownEntity
from metadata_service.registry.names import parse_name, spell, version_urn


def move(index: int, to: str | None, restores: int | None = None, status: str = "applied", alias: str = "prod") -> AliasMove:
    return AliasMove(index, alias, to, None, status, None, None, None, None, None, restores, datetime.now(UTC), None, "SERVICE")


def test_one_step_back_is_the_last_move_to_another_version() -> None:
    moves = [move(1, "1"), move(2, "2"), move(3, "9", status="rejected"), move(4, "3", alias="other"), move(5, "2")]
    assert one_step_back(moves, "prod").index == 1


def test_two_steps_back_are_no_circle() -> None:
    moves = [move(1, "1"), move(2, "2"), move(3, "3")]
    for index, expected in ((4, 2), (5, 1)):
        found = one_step_back(moves, "prod")
        assert found.index == expected
        moves.append(move(index, found.to, found.index))
    with pytest.raises(UnknownEntity):
        one_step_back(moves, "prod")


def test_after_a_rollback_and_a_new_version_one_step_back_is_what_the_rollback_restored() -> None:
    moves = [move(1, "1"), move(2, "2"), move(3, "1", 1), move(4, "3")]
    assert one_step_back(moves, "prod").index == 1


def test_a_deleted_alias_comes_back_as_it_was() -> None:
    assert one_step_back([move(1, "1"), move(2, "2"), move(3, None)], "prod").index == 2


def test_a_named_version_must_have_been_there() -> None:
    moves = [move(1, "1"), move(2, "2"), move(3, "3")]
    assert one_step_back(moves, "prod", "1").index == 1
    for wrong in ("3", "7"):
        with pytest.raises(UnknownEntity):
            one_step_back(moves, "prod", wrong)


@given(st.lists(st.sampled_from("123"), min_size=1, max_size=12))
def test_steps_back_end_and_never_repeat_a_move(versions: list[str]) -> None:
    moves = [move(index, version) for index, version in enumerate(versions)]
    restored: list[int] = []
    while True:
        try:
            found = one_step_back(moves, "prod")
        except UnknownEntity:
            break
        assert found.to != moves[-1].to
        restored.append(found.index)
        moves.append(move(len(moves), found.to, found.index))
    assert restored == sorted(set(restored), reverse=True)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)


@given(TEXT, TEXT, TEXT)
def test_a_name_is_spelled_in_one_way_and_read_back(namespace: str, name: str, version: str) -> None:
    head = parse_name(spell(version_urn("feature", namespace, name, version)), "feature")
    assert (head.namespace, head.name, head.selector) == (namespace, name, version)


@pytest.mark.parametrize("text", ["", "@1", "a:b:c", ":b", "a:", "a:b@", "urn:lineproof:dataset:a:b", "urn:nonsense", "a%FF:b"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(UrnError):
        parse_name(text, "feature")
