"""Inputs whose bytes are held elsewhere (an Iceberg tag, a locked bucket): the user brings the files, the manifest says which they have to be.

What was recorded decides: SHA-256 digests of the files, else the fp1 fingerprint of the rows (then it is one Parquet or Arrow IPC file).
"""
from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ingest_hooks.fp1 import fingerprint
from lineproof_schema.errors import LineproofError
from metadata_service.reproduce.plan import Plan
from metadata_service.reproduce.sandbox import Sandbox
from metadata_service.reproduce.tables import Tables

__all__ = ["ChangedInput", "MissingInput", "assigned", "brought_in"]

_FORMATS = {".parquet": "parquet", ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow"}
_BLOCK = 1 << 20  # bytes


class MissingInput(Exception):
    """An input is held elsewhere, and no file was given for it."""


class ChangedInput(Exception):
    """What was given is not what was recorded."""


def _held_inputs(plan: Plan) -> list[Mapping[str, Any]]:
    """The inputs whose bytes are not in the artifact store."""
    return [each for each in plan.inputs if each["retention"]["state"] == "held"]


def assigned(plan: Plan, texts: Sequence[str]) -> dict[str, Path]:
    """`NAME=PATH` of the command line, by dataset version. NAME is the dataset's name, `<namespace>/<name>`, or a URN of dataset or version.

    Raises:
        LineproofError: `invalid-argument`, nothing or more than one held input is called so.
    """
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        fits = [str(each["version"]) for each in _held_inputs(plan)
                if name in (each["version"], str(each["version"]).rpartition(":")[0].replace(":dataset-version:", ":dataset:", 1), each["dataset"][1],
                            "/".join(each["dataset"]))]
        if not equals or len(fits) != 1:
            held = ", ".join(str(each["dataset"][1]) for each in _held_inputs(plan)) or "none"
            raise LineproofError(f"--input {text}: give NAME=PATH with the name of one input that is held elsewhere ({held})", code="invalid-argument")
        found[fits[0]] = Path(path)
    return found


def brought_in(plan: Plan, sandbox: Sandbox, given: Mapping[str, Path]) -> Plan:
    """The plan with what was given in the place of what is held; every byte of it is in the sandbox, and was checked.

    Raises:
        MissingInput, ChangedInput.
    """
    inputs: list[Mapping[str, Any]] = []
    for each in plan.inputs:
        if each["retention"]["state"] == "held":
            if str(each["version"]) not in given:
                where = each["retention"].get("reference") or each["retention"].get("kind") or "elsewhere"
                raise MissingInput(f"the bytes of {each['dataset'][1]} are held by {where}: give them with --input {each['dataset'][1]}=PATH")
            inputs.append({**each, "retention": {"state": "retained", **_taken(each, given[str(each["version"])], sandbox)}})
        else:
            inputs.append(each)
    return replace(plan, inputs=tuple(inputs))


def _taken(each: Mapping[str, Any], path: Path, sandbox: Sandbox) -> dict[str, Any]:
    retention, name = each["retention"], each["dataset"][1]
    recorded: Mapping[str, str] = retention.get("files") or (retention.get("pointer") or {}).get("files") or {}
    try:
        if recorded:
            single = path if len(recorded) == 1 and not path.is_dir() else None
            for label, digest in recorded.items():
                taken = _copied(single or path / label, sandbox)
                if taken != digest:
                    raise ChangedInput(f"{single or path / label} has SHA-256 {taken}, recorded for {name} was {digest}")
            return {"format": retention.get("format") or "raw", "files": dict(recorded)}
        form = _FORMATS.get(path.suffix.lower())
        if form is None:
            raise ChangedInput(f"{path}: of {name} the rows were recorded, so it has to be a Parquet or Arrow IPC file")
        digest = _copied(path, sandbox)
        rows = fingerprint(Tables(sandbox).read(form, digest)).sha256
    except (OSError, LineproofError, ValueError) as error:
        raise ChangedInput(f"{path} cannot be read for {name}: {error}") from error
    if rows != each["fp1"]["sha256"]:
        raise ChangedInput(f"the rows of {path} have fp1 {rows}, recorded for {name} was {each['fp1']['sha256']}")
    return {"format": form, "files": {f"rows.{form}": digest}}


def _copied(path: Path, sandbox: Sandbox) -> str:
    """Copy a file into the sandbox; its SHA-256, taken of what was copied, which is its name there."""
    hashed, aside = hashlib.sha256(), sandbox.artifact("incoming")
    with path.open("rb") as source, aside.open("wb") as target:
        while block := source.read(_BLOCK):
            hashed.update(block)
            target.write(block)
    digest = hashed.hexdigest()
    aside.rename(sandbox.artifact(digest))
    return digest
