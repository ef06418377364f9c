"""What a rebuild came to, as facts of what was asked for and of every version that was made again.

One fact per signer, `reproduction:<key id>`, the newest wins: nobody's result hides another's. It says who claims it, not that it is so;
what the graph can check itself, whether the comparison was made with the recorded fingerprint, it does.
"""
from __future__ import annotations

from typing import Any

from lineproof_schema.models.lifecycle import StatementData
from lineproof_schema.urn import Urn, UrnError, parse_urn
from metadata_service.projector.names import bounded
from metadata_service.projector.plain import as_dict, as_list, as_text
from metadata_service.projector.view import Draft

__all__ = ["project_reproduction"]

MAX_OUTPUTS = 2_000  # of one statement; a manifest has at most 500 steps


def project_reproduction(draft: Draft, data: StatementData) -> None:
    """A statement of type REPRODUCTION_TYPE."""
    manifest = as_dict(data.predicate.get("manifest"))
    outputs = {urn: output for output in map(as_dict, as_list(data.predicate.get("outputs"))[:MAX_OUTPUTS])
               if (urn := _urn(output.get("version"), "dataset-version")) is not None}
    target = _urn(manifest.get("target"))
    concerned = list(dict.fromkeys([*([target] if target is not None else []), *outputs]))
    draft.need(urns=concerned)
    fact = f"reproduction:{draft.entry.leaf.signer}"
    size = as_dict(manifest.get("asOf")).get("size")
    said = {"verdict": as_text(data.predicate.get("verdict")), "manifest": as_text(as_dict(manifest.get("digest")).get("sha256")),
            "size": size if isinstance(size, int) else None, "finishedOn": as_text(data.predicate.get("finishedOn")), "index": draft.entry.index,
            "signer": draft.entry.leaf.signer, "signedBy": draft.entry.leaf.signed_by}
    for urn in concerned:
        draft.touch(urn)
        if not draft.exists(urn) or not _own(draft, parse_urn(urn)):
            draft.ignore("reproduction", urn, "unknown-urn")
            continue
        output = outputs.get(urn)
        if output is not None and not _compared(draft.facts(urn), output):
            draft.ignore("reproduction", urn, "other-fingerprint")
            continue
        more = {} if output is None else {"claimed": as_text(output.get("claimed")), "reached": as_text(output.get("reached")), "fp1": _fp1(output, "actual")}
        draft.revise(urn, fact, {name: value for name, value in (said | more).items() if value is not None})


def _own(draft: Draft, urn: Urn) -> bool:
    """Whether the entity belongs to the tenant that the entry speaks for."""
    return urn.namespace is None or draft.authority.tenant_of(urn.namespace) == draft.entry.tenant


def _compared(facts: Any, output: dict[str, Any]) -> bool:
    """Whether the output was held against the recorded fingerprint, and has it if it says so."""
    expected = _fp1(output, "expected")
    same = output.get("reached") in ("bit", "row-set")
    return expected is not None and expected == as_dict(facts.get("fingerprint")).get("sha256") and (_fp1(output, "actual") == expected) == same


def _fp1(output: dict[str, Any], side: str) -> str | None:
    return as_text(as_dict(output.get(side)).get("fp1"))


def _urn(text: Any, kind: str | None = None) -> str | None:
    try:
        parsed = parse_urn(bounded(text)) if isinstance(text, str) else None
    except UrnError:
        return None
    return str(parsed) if parsed is not None and kind in (None, parsed.kind) else None
