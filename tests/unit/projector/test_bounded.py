"""What a projector keeps in memory has a bound that the length of the log does not move."""
from __future__ import annotations

import pkgutil
from importlib import import_module

import pytest

import lineproof_schema.urn
from lineproof_schema.urn import format_urn, parse_urn
from metadata_service import projector
from metadata_service.projector import names, overlay
from metadata_service.projector.overlay import Overlay
from tests.unit.projector.world import World


def test_every_function_that_remembers_results_remembers_so_many_at_most() -> None:
    modules = [import_module(f"{projector.__name__}.{each.name}") for each in pkgutil.iter_modules(projector.__path__) if each.name != "__main__"]
    sizes = {f"{module.__name__}.{name}": value.cache_parameters()["maxsize"]
             for module in modules for name, value in vars(module).items() if hasattr(value, "cache_parameters")}
    assert sizes
    assert [name for name, size in sizes.items() if size is None] == []


@pytest.mark.anyio
async def test_the_names_of_runs_do_not_push_out_those_of_datasets_and_jobs(world: World) -> None:
    def write(start: int, stop: int) -> None:
        for each in range(start, stop):
            world.log.run("a", f"r{each}", inputs=["x"], outputs=["t"], minutes=each)

    write(0, 5)
    await world.project()
    kept = names.of.cache_info().currsize
    write(5, 100)
    await world.project()
    assert names.of.cache_info().currsize == kept


def test_parsed_urns_are_kept_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineproof_schema.urn, "REMEMBERED", 100)
    made = [format_urn("dataset", "db", f"bounded_{each}") for each in range(500)]
    for urn in (*made, *(f"{each}_parsed" for each in made)):
        assert str(parse_urn(urn)) == urn
        assert len(parse_urn.__self__) <= 100  # type: ignore[attr-defined]


def test_the_overlay_forgets_what_a_whole_generation_did_not_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "GENERATION_WEIGHT", 10)
    known = Overlay()
    urns = [format_urn("dataset", "db", f"t{each}") for each in range(200)]
    states = [f"set:{each}" for each in range(200)]
    for urn, state in zip(urns, states, strict=True):
        known.fill([urn], [state], {}, {})
        known.node(urns[0])
        known.age()
    absent = known.unloaded(urns, states)
    assert urns[0] not in absent[0]
    assert len(urns) + len(states) - sum(map(len, absent)) <= 2 * (10 + 3)
