"""The addresses of tlog-tiles, which of them a tree has, and the bytes behind them, at the sizes where tiles begin and end."""
from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineproof_audit.errors import CorruptLog, InvalidTilePath
from lineproof_audit.tlog_tiles import TileAddress, encode_entries, parse_entries, parse_tile_path, split_hashes, tiles_of

# From the text of C2SP tlog-tiles and the path tests of golang.org/x/mod/sumdb/tlog, in this format's spelling.
PATHS = {
    "tile/0/000": TileAddress(0, 0), "tile/0/255": TileAddress(0, 255), "tile/4/001": TileAddress(4, 1), "tile/3/005": TileAddress(3, 5),
    "tile/0/x001/x234/067": TileAddress(0, 1_234_067), "tile/1/x003/x057/500": TileAddress(1, 3_057_500), "tile/3/x123/x456/078": TileAddress(3, 123_456_078),
    "tile/1/x003/x057/500.p/34": TileAddress(1, 3_057_500, 34), "tile/entries/000.p/1": TileAddress(None, 0, 1),
    "tile/entries/x001/x234/067": TileAddress(None, 1_234_067), "tile/63/999.p/255": TileAddress(63, 999, 255), "tile/0/x001/000": TileAddress(0, 1_000),
}
MALFORMED = [
    "", "tile", "tile/", "tile/0", "tile/0/", "tile/0/1", "tile/0/0000", "tile/00/000", "tile/01/000", "tile/64/000", "tile/-1/000", "tile/+1/000",
    "tile/0/-01",
    "tile/0/x000/000", "tile/0/x000/001", "tile/0/x001", "tile/0/001/000", "tile/0/x01/000", "tile/0/X001/000", "tile/0/x001/x002", "tile/0/000.p/0",
    "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p", "tile/0/000.p/1/", "tile/0/000/.p/1", "tile/0/000.P/1", "tile/0/000.p/1000",
    "tile/entry/000", "tile/data/000", "tile/entries", "tile/entries/000.p/+1", "tile/0/000 ", " tile/0/000", "tile/0/000\n", "tile//000", "tile/0//000",
    "tile/0/../000", "tile/0/\u0661\u0661\u0661", "tile/8/0/000", "tile/0/" + "x999/" * 7 + "999", "tile/0/000?x", "checkpoint",
]
SIZES = {  # size: how many tiles per level (bundles first), and what is partial
    0: ([], []),
    1: ([1, 1], ["tile/entries/000.p/1", "tile/0/000.p/1"]),
    255: ([1, 1], ["tile/entries/000.p/255", "tile/0/000.p/255"]),
    256: ([1, 1, 1], ["tile/1/000.p/1"]),
    257: ([2, 2, 1], ["tile/entries/001.p/1", "tile/0/001.p/1", "tile/1/000.p/1"]),
    65_536: ([256, 256, 1, 1], ["tile/2/000.p/1"]),
    70_000: ([274, 274, 2, 1], ["tile/entries/273.p/112", "tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]),
}


@pytest.mark.parametrize("path", PATHS)
def test_an_address_is_read_and_written_the_one_way(path: str) -> None:
    assert parse_tile_path(path) == PATHS[path]
    assert PATHS[path].path == path


@pytest.mark.parametrize("path", MALFORMED)
def test_any_other_spelling_is_refused(path: str) -> None:
    with pytest.raises(InvalidTilePath) as refused:
        parse_tile_path(path)
    assert refused.value.code == "invalid-argument"


@given(st.none() | st.integers(0, 63), st.integers(0, 2**64), st.integers(1, 256))
def test_every_address_survives_its_path(level: int | None, number: int, width: int) -> None:
    address = TileAddress(level, number, width)
    assert parse_tile_path(address.path) == address


@given(st.text(max_size=40) | st.from_regex(r"tile/(entries|[0-9]{1,3})/[x0-9/.p]{0,30}"))
def test_whatever_is_read_is_written_back_the_same(path: str) -> None:
    try:
        address = parse_tile_path(path)
    except InvalidTilePath:
        return
    assert address.path == path


@pytest.mark.parametrize("size", SIZES)
def test_a_tree_has_the_tiles_that_the_specification_counts(size: int) -> None:
    counts, partial = SIZES[size]
    found = list(tiles_of(size))
    levels = [None, *range(len(counts) - 1)] if counts else []
    assert [sum(address.level == level for address in found) for level in levels] == counts
    assert sum(counts) == len(found)
    assert [address.path for address in found if not address.full] == partial
    assert len({address.path for address in found}) == len(found)


@given(st.integers(0, 70_000), st.integers(0, 1_500))
def test_what_a_larger_tree_adds_is_what_the_smaller_one_had_not(since: int, more: int) -> None:
    old, new, added = set(tiles_of(since)), set(tiles_of(since + more)), list(tiles_of(since + more, since))
    assert len(added) == len(set(added))
    assert set(added) == new - old


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_an_entry_bundle_gives_its_entries_back(leaves: list[bytes]) -> None:
    assert list(parse_entries(encode_entries(leaves), len(leaves))) == leaves


def test_the_longest_entry_fits_and_a_longer_one_is_refused() -> None:
    assert list(parse_entries(encode_entries([b"x" * 65_535]), 1)) == [b"x" * 65_535]
    with pytest.raises(ValueError, match="65535"):
        encode_entries([b"x" * 65_536])


@pytest.mark.parametrize(("data", "before"), [(b"", 0), (b"\0", 0), (b"\0\1a\0\2b", 1), (b"\0\1a\0\1b\0", 2), (b"\0\1a\0\1b\0\0", 2)])
def test_a_damaged_bundle_gives_what_stands_before_the_fault(data: bytes, before: int) -> None:
    entries = parse_entries(data, 2)
    assert len(list(islice(entries, before))) == before
    with pytest.raises(CorruptLog):
        next(entries)


@pytest.mark.parametrize("length", [0, 31, 33, 64 + 32])
def test_a_tile_of_another_length_is_refused(length: int) -> None:
    assert split_hashes(bytes(64), TileAddress(0, 0, 2)) == [bytes(32)] * 2
    with pytest.raises(CorruptLog):
        split_hashes(bytes(length), TileAddress(0, 0, 2))
