"""Every statement of our corpus says what was written down by hand: sources and uses of each column, rows, positions, status."""
from __future__ import annotations

import pytest

from tests.sql_corpus import Case, cases, score


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_a_statement_says_what_was_written_down(case: Case) -> None:
    assert score(case, case.asked()).wrong == ()


def test_the_corpus_is_as_large_as_we_say() -> None:
    assert len(cases()) >= 700
    assert {case.dialect for case in cases()} == {"bigquery", "duckdb", "postgres", "snowflake", "spark"}
    assert len({case.id for case in cases()}) == len(cases())


def test_a_wrong_answer_is_seen() -> None:
    """The comparison itself: what is missing, too much, misplaced or called complete is told."""
    case = next(case for case in cases("duckdb") if case.name == "cte before insert")
    other = next(case for case in cases("duckdb") if case.name == "running total")
    told = score(case, other.asked())
    assert told.right < told.expected
    assert {word for word in ("missing", "too much", "outputs", "writes") if any(wrong.startswith(word) for wrong in told.wrong)} == {
        "missing", "too much", "outputs", "writes"}
