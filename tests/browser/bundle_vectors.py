"""Evidence bundles, true and false, with what our Python verifier says of each: for verifiers in other languages to agree with.

    python -m tests.browser.bundle_vectors

writes ui/tests/bundle-vectors.json.gz. Keys, salts and texts are fixed, so the file only changes when a byte format or a rule does.
"""
from __future__ import annotations

import copy
import gzip
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineproof_audit.errors import TrustFileError
from lineproof_audit.note import NoteSigner, sign_note
from lineproof_audit.trust import parse_trust
from lineproof_audit.verify import verify_bundle
from tests.browser.bundle_worlds import TRUST, erased, plain, worlds
from tests.browser.erasure_vectors import erasure_bundles
from tests.browser.witness_vectors import witnessed_bundles
from tests.unit.audit.memory_log import ORIGIN, key

__all__ = ["VECTORS", "Case", "cases", "text"]

VECTORS = Path(__file__).resolve().parents[2] / "ui" / "tests" / "bundle-vectors.json.gz"
LEVELS = ("included", "keys-complete")  # of these a verifier elsewhere can know


@dataclass(frozen=True)
class Case:
    """A bundle, and how far it goes under the trust file. `of` names the case it is a mutation of."""

    name: str
    bundle: Any
    trust: str
    ok: bool
    levels: tuple[str, ...]


def cases() -> Iterator[Case]:
    """All of them."""
    for name, log, cited, believed in worlds():
        for with_leaves in (False, True):
            made = log.bundle(*cited, with_leaves=with_leaves)
            yield _case(f"{name}{', with all leaves' if with_leaves else ''}", made, believed)
    for name, make, believed in _bases():
        for what, mutated in _mutations(make()):
            yield _case(f"{name}: {what}", mutated, believed)
    for name, bundle in erasure_bundles():
        yield _case(name, bundle, TRUST)
    for name, bundle, believed in witnessed_bundles():
        yield _case(name, bundle, believed)


def _case(name: str, bundle: Any, believed: str) -> Case:
    try:
        parse_trust(believed.encode())
    except TrustFileError:
        return Case(name, bundle, believed, False, ())
    verdict = verify_bundle(bundle, parse_trust(believed.encode()))
    return Case(name, bundle, believed, verdict.ok, tuple(level for level in verdict.levels if level in LEVELS))


def _bases() -> Iterator[tuple[str, Callable[[], Any], str]]:
    for build in (plain, erased):
        for with_leaves in (False, True):
            log, cited = build()
            made = log.sign().bundle(*cited, with_leaves=with_leaves)
            yield f"{build.__name__.strip('_')}{', with all leaves' if with_leaves else ''}", lambda made=made: copy.deepcopy(made), TRUST


def _mutations(bundle: Any) -> Iterator[tuple[str, Any]]:
    def changed(edit: Callable[[Any], object]) -> Any:
        other = copy.deepcopy(bundle)
        edit(other)
        return other

    yield "answer", changed(lambda it: it.update(answer="another"))
    yield "origin", changed(lambda it: it.update(origin="log.example/other"))
    yield "format", changed(lambda it: it.update(format="lineproof-bundle@v2"))
    yield "no entries", changed(lambda it: it.update(entries=[]))
    yield "no key entries", changed(lambda it: it.update(keyEntries=[]))
    size = bundle["checkpoint"].split("\n")[1]
    yield "checkpoint of another size", changed(lambda it: it.update(checkpoint=it["checkpoint"].replace(f"\n{size}\n", "\n5\n", 1)))
    forged = sign_note("\n".join([*bundle["checkpoint"].split("\n")[:3], ""]), [NoteSigner(ORIGIN, key("forger"))])
    yield "checkpoint signed by another key", changed(lambda it: _resign(it, forged))
    both = bundle["checkpoint"] + forged.split("\n\n")[1]
    yield "checkpoint signed by another key too", changed(lambda it: _resign(it, both))
    for group in ("entries", "keyEntries"):
        for at, entry in enumerate(bundle[group]):
            for name in ("leaf", "salt", "envelope"):
                if entry[name] is not None:
                    yield f"{group}[{at}].{name} flipped", changed(lambda it, g=group, a=at, n=name: it[g][a].update({n: _flipped(it[g][a][n])}))
            yield f"{group}[{at}] body withheld", changed(lambda it, g=group, a=at: it[g][a].update(salt=None, envelope=None))
            yield f"{group}[{at}] salt withheld", changed(lambda it, g=group, a=at: it[g][a].update(salt=None))
            yield f"{group}[{at}] left out", changed(lambda it, g=group, a=at: it[g].pop(a))
            yield f"{group}[{at}] index", changed(lambda it, g=group, a=at: it[g][a].update(index=it[g][a]["index"] + 1))
            yield f"{group}[{at}] proof hash flipped", changed(lambda it, g=group, a=at: it[g][a].update(proof=_flip_line(it[g][a]["proof"], 2)))
            yield f"{group}[{at}] proof hash left out", changed(lambda it, g=group, a=at: it[g][a].update(proof=_drop_line(it[g][a]["proof"], 2)))
            yield f"{group}[{at}] proof index", changed(lambda it, g=group, a=at: it[g][a].update(proof=it[g][a]["proof"].replace("index ", "index 1", 1)))
            yield f"{group}[{at}] loose base64", changed(lambda it, g=group, a=at: it[g][a].update(leaf=it[g][a]["leaf"] + "\n"))
    if bundle.get("leaves"):
        for at in range(len(bundle["leaves"])):
            yield f"leaves[{at}] flipped", changed(lambda it, a=at: it["leaves"].__setitem__(a, _flipped(it["leaves"][a])))
        yield "a leaf left out", changed(lambda it: it["leaves"].pop())
        yield "leaves swapped", changed(lambda it: it["leaves"].__setitem__(slice(3, 5), it["leaves"][4:2:-1]))


def _resign(bundle: Any, note: str) -> None:
    bundle["checkpoint"] = note
    for entry in (*bundle["entries"], *bundle["keyEntries"]):
        entry["proof"] = entry["proof"].split("\n\n")[0] + "\n\n" + note


def _flipped(text: str) -> str:
    raw = bytearray(b64decode(text))
    raw[len(raw) // 2] ^= 1
    return b64encode(raw).decode()


def _flip_line(text: str, number: int) -> str:
    lines = text.split("\n")
    lines[number] = _flipped(lines[number])
    return "\n".join(lines)


def _drop_line(text: str, number: int) -> str:
    lines = text.split("\n")
    del lines[number]
    return "\n".join(lines)


def text() -> str:
    """The file, unpacked."""
    return json.dumps([{"name": case.name, "trust": case.trust, "ok": case.ok, "levels": case.levels, "bundle": case.bundle} for case in cases()])


if __name__ == "__main__":
    VECTORS.write_bytes(gzip.compress(text().encode(), mtime=0))
