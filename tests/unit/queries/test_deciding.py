"""Which inputs decide a value, and which only its rows."""
from __future__ import annotations

import pytest

from metadata_service.queries.deciding import deciding

DIRECT, AGGREGATED, UNTYPED = ("DIRECT", "TRANSFORMATION"), ("DIRECT", "AGGREGATION"), (None, None)
JOIN, FILTER, WINDOW, CONDITIONAL = (("INDIRECT", name) for name in ("JOIN", "FILTER", "WINDOW", "CONDITIONAL"))


@pytest.mark.parametrize(("inputs", "decide"), [
    ([DIRECT, JOIN, FILTER], [DIRECT]),
    ([DIRECT, CONDITIONAL, FILTER], [DIRECT, CONDITIONAL]),
    ([WINDOW, JOIN], [WINDOW]),
    ([JOIN, FILTER], [JOIN, FILTER]),
    ([AGGREGATED, FILTER], [AGGREGATED, FILTER]),
    ([UNTYPED, JOIN], [UNTYPED]),
    ([], []),
])
def test_inputs_that_decide_the_value(inputs: list[tuple[str | None, str | None]], decide: list[tuple[str | None, str | None]]) -> None:
    assert deciding(inputs, lambda each: each) == decide


def test_of_inputs_not_all_known_indirect_ones_decide_rows() -> None:
    assert deciding([JOIN], lambda each: each, complete=False) == []
    assert deciding([JOIN, WINDOW], lambda each: each, complete=False) == [WINDOW]
