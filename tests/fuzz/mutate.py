"""Making inputs from inputs: byte by byte, and for JSON by what the bytes mean, base64 inside of texts included.

A seed fixes what comes out, so that a test finds the same inputs every time. Guided fuzzing uses the same mutations beside those of its engine.
"""
from __future__ import annotations

import json
import random
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

__all__ = ["mutate", "stream"]

# What parsers stumble over: edges of number formats, texts that have no bytes, texts that end or nest something.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**53 + 1, 2**63, 2**64, -2**63 - 1, 10**40, 0.5, -0.0, 1e308, float("nan"), float("inf"),
    "", " ", "\0", "\ud800", "\udfff\ud800", "a" * 1_100, "é" * 700, "\u202e", "null", "0", "-1", "1" * 40, "+1", "1_0", " 1", "٣", "²",
    "=", "AA==", "AAAA", "%00", "%2f", "%zz", "../..", "x001/067", "urn:lineproof:dataset:a:b", "urn:lineproof:column:a:b:c", "a:b@1", "0" * 64, "f" * 64,
    "a" * 32, "2026-11-20T10:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "9999-12-31T24:00:00Z", "2026-13-01",
    "2026-11-20T10:00:00.123456789Z", "2026-11-20", [], {}, [[]], [None], {"": None}, {"a": {"a": {}}}, ["", "", ""], [0] * 300)
PIECES = (
    b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r\n", b"\n\n", b"\n", b" ", b"\t", b'"', b"\\", b"\\u0000", b"\\ud800", b"{", b"}", b"[", b"]", b",",
    b":", b"{}", b"[]", b"null", b"NaN", b"-Infinity", b"1e999", b"9" * 5_000, b"[" * 6_000, b'{"a":' * 3_000, b"\xe2\x80\x94", b"+", b"=", b"/", b"x000/",
    b".p/", b"%", b"%00", b"%ff", b"\x1f\x8b\x08\0\0\0\0\0", b"\x28\xb5\x2f\xfd", b"\x7f", b"\xc2\x80", b"\xe2\x80\xa8")
WORD = re.compile(rb"[A-Za-z_$]+")
DEPTH = 12  # mutations of a document inside of a text of a document …


def mutate(data: bytes, rng: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """An input like `data`, in one or a few places another; `others` lend parts of theirs."""
    meaning = rng.choice((1.0, 1.0, 0.5, 0.0))  # how much of it changes documents, and not bytes, after which it seldom is one
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        at = _document_at(data) if rng.random() < meaning else None
        found = None if at is None else _document(data[at:])
        data = _bytes(data, rng, others) if found is None else data[:at] + _text(_changed(found, rng, DEPTH), rng)
    return data


def stream(seeds: Sequence[bytes], seed: int, number: int, longest: int) -> list[bytes]:
    """The seeds, then mutations of them and of earlier mutations, `number` in all, none longer than `longest` bytes."""
    rng = random.Random(seed)
    pool = list(seeds)
    made = list(seeds)[:number]
    while len(made) < number:
        data = mutate(rng.choice(seeds if rng.random() < 0.7 else pool), rng, seeds)[:longest]
        made.append(data)
        if rng.random() < 0.1:
            pool.append(data)
    return made


def _document_at(data: bytes) -> int | None:
    """Where the document begins: at once, or after one line (of a request)."""
    start = 0 if data[:1] in (b"{", b"[") else data.find(b"\n") + 1
    return start if data[start:start + 1] in (b"{", b"[") else None


def _document(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _text(document: Any, rng: random.Random) -> bytes:
    text = json.dumps(document, ensure_ascii=rng.random() < 0.5, separators=(",", ":") if rng.random() < 0.7 else None)
    if rng.random() < 0.03:
        text = text.replace("{", '{"a":1,"a":2,', 1)
    return text.encode("utf-8", "surrogatepass")


def _changed(document: Any, rng: random.Random, depth: int) -> Any:
    """`document` with one place changed."""
    places = _places(document, [])
    if not places or depth == 0:
        return _value(rng)
    holder, key = rng.choice(places)
    value = holder[key]
    action = rng.random()
    if action < 0.35:
        holder[key] = _value(rng)
    elif action < 0.45:
        del holder[key]
    elif action < 0.6 and isinstance(value, str):
        holder[key] = _string(value, rng, depth)
    elif action < 0.65:
        holder[key] = [value] if rng.random() < 0.5 else {"": value}
    elif action < 0.75:
        other, at = rng.choice(places)
        holder[key] = deepcopy(other[at])  # the other place may be above this one
    elif action < 0.85 and isinstance(holder, dict):
        holder[rng.choice((f"{key} ", f"{key}s", f"{key}\0", "", "\ud800", str(key).upper()))] = value
        if rng.random() < 0.5:
            holder.pop(key, None)
    elif action < 0.9 and isinstance(holder, list):
        holder[key:key] = [value] * rng.choice((1, 2, 40))
    elif isinstance(value, str):
        holder[key] = _string(value, rng, depth)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        holder[key] = rng.choice((value + 1, value - 1, -value, str(value), value * 1.0 if abs(value) < 2**60 else 0.5))
    else:
        holder[key] = _value(rng)
    return document


def _value(rng: random.Random) -> Any:
    return deepcopy(rng.choice(VALUES))


def _places(document: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    todo = [document]
    while todo:
        at = todo.pop()
        if isinstance(at, dict | list):
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            found.extend((at, key) for key in keys)
            todo.extend(at[key] for key in keys)
    return found


def _string(text: str, rng: random.Random, depth: int) -> str:
    """A text changed as what it stands for: base64 of a document or of bytes, or itself."""
    if len(text) >= 8 and len(text) % 4 == 0 and rng.random() < 0.7:
        try:
            inside = b64decode(text, validate=True)
        except ValueError:
            inside = None
        if inside is not None:
            document = _document(inside) if inside[:1] in (b"{", b"[") else None
            return b64encode(_bytes(inside, rng, ()) if document is None else _text(_changed(document, rng, depth - 1), rng)).decode()
    changed = _bytes(text.encode("utf-8", "surrogatepass"), rng, ())
    return changed.decode("utf-8", "replace")


def _bytes(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    return rng.choice(_BYTE_CHANGES)(data, rng, others)


def _at(data: bytes, rng: random.Random) -> int:
    return rng.randint(0, len(data))


def _flip(data: bytes, rng: random.Random, _others: Sequence[bytes]) -> bytes:
    if not data:
        return b"\0"
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1:]


def _put(data: bytes, rng: random.Random, _others: Sequence[bytes]) -> bytes:
    at = _at(data, rng)
    return data[:at] + rng.choice(PIECES) + data[at:]


def _put_over(data: bytes, rng: random.Random, _others: Sequence[bytes]) -> bytes:
    at, piece = _at(data, rng), rng.choice(PIECES)
    return data[:at] + piece + data[at + len(piece):]


def _cut(data: bytes, rng: random.Random, _others: Sequence[bytes]) -> bytes:
    start, end = sorted((_at(data, rng), _at(data, rng)))
    return data[:start] + data[min(end, start + rng.choice((1, 2, 8, 1 << 20))):]


def _cut_off(data: bytes, rng: random.Random, _others: Sequence[bytes]) -> bytes:
    return data[:_at(data, rng)]


def _repeat(data: bytes, rng: random.Random, _others: Sequence[bytes]) -> bytes:
    start, end = sorted((_at(data, rng), _at(data, rng)))
    return data[:end] + data[start:min(end, start + 200)] * rng.choice((1, 2, 30)) + data[end:]


def _noise(data: bytes, rng: random.Random, _others: Sequence[bytes]) -> bytes:
    at = _at(data, rng)
    return data[:at] + rng.randbytes(rng.choice((1, 2, 4, 33))) + data[at:]


def _splice(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    other = rng.choice(others) if others else data
    return data[:_at(data, rng)] + other[_at(other, rng):]


def _digits(data: bytes, rng: random.Random, _others: Sequence[bytes]) -> bytes:
    places = [at for at, byte in enumerate(data) if 48 <= byte <= 57]
    if not places:
        return _put(data, rng, ())
    at = rng.choice(places)
    return data[:at] + rng.choice((b"", b"0", b"9", b"255", b"256", b"-1", b"00", b"18446744073709551616", b"9" * 5_000)) + data[at + 1:]


def _swap_words(data: bytes, rng: random.Random, _others: Sequence[bytes]) -> bytes:
    """One word in the place of another, as languages need it."""
    words = list(WORD.finditer(data))
    if len(words) < 2:
        return _flip(data, rng, ())
    put, over = rng.choice(words), rng.choice(words)
    return data[:over.start()] + put[0] + data[over.end():]


_BYTE_CHANGES: tuple[Callable[[bytes, random.Random, Sequence[bytes]], bytes], ...] = (
    _flip, _put, _put_over, _cut, _cut_off, _repeat, _noise, _splice, _digits, _swap_words)
