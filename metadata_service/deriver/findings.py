"""From the parser's answers to the body of a `lineproof.derivation.v1`: tables become datasets, and what could not be followed is named."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import rfc8785

from lineproof_schema.models.lifecycle import DerivationData
from metadata_service.deriver.plain_run import NamedDataset, PlainRun
from metadata_service.projector.code import sql_digest

__all__ = ["Resolved", "derivation"]

MAX_BYTES: Final = 750_000  # of the body; base64 and the envelope around it make it a third larger, and its leaf takes no more than 1.1 MB
MAX_NAME: Final = 1_024  # as the event's model has it
MAX_EXPRESSION: Final = 4_000  # characters; what is longer is cut
MAX_REASON: Final = 300
_WORST: Final = ("complete", "partial", "unknown")
Status = Literal["complete", "partial", "unknown"]


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the tables of a statement mean: by the name they are written with; `problems` says why a name means nothing (or not only one thing)."""

    datasets: Mapping[str, NamedDataset]
    problems: Mapping[str, str]


def derivation(run: PlainRun, entry: int, answers: Sequence[Mapping[str, Any]] | str, resolved: Resolved, *, dialect: str | None, parser: str,
               reason: str | None) -> DerivationData:
    """The body. `answers` are those of the parser for the run's outputs, in their order, or why there are none; `reason` is known beforehand.

    The same arguments give the same body. `entry` is the entry whose SQL was read.
    """
    reasons: dict[str, None] = dict.fromkeys([reason] if reason else [])
    columns: list[dict[str, Any]] = []
    statuses: list[Status] = ["partial"] if reason else []
    if isinstance(answers, str):
        reasons[answers] = None
        statuses.append("unknown")
        answers = []
    said: dict[str, list[Any]] = {"timePredicates": [], "windowFrames": []}
    for output, answer in zip(run.outputs, answers, strict=False):
        made, status, why = _output(run, output, answer, resolved)
        columns += made
        statuses.append(status)
        reasons.update(dict.fromkeys(why))
        for kind, items in said.items():
            items += [_without_none(item) for item in answer[kind] if item not in items] if made else []
    unread = _unread(run, answers, resolved)
    if unread and columns:
        statuses.append("partial")
        reasons.update(dict.fromkeys(unread))
    status = max(statuses, key=_WORST.index, default="unknown")
    if status == "unknown" and columns:
        status = "partial"
    data = {"job": {"namespace": run.namespace, "name": run.job}, "sql": sql_digest(run.sql), "dialect": dialect, "parser": parser, "entry": entry,
            "columns": columns, **said, "status": status, "reason": _joined(reasons)}
    return DerivationData.model_validate(_within_size(data))


def _output(run: PlainRun, output: NamedDataset, answer: Mapping[str, Any], resolved: Resolved) -> tuple[list[dict[str, Any]], Status, list[str]]:
    reasons = list(answer["reasons"])
    status: Status = answer["status"]
    alone = len(run.outputs) + run.others == 1
    if not alone and (answer.get("elsewhere") is not None or answer["target"] is None):
        return [], "unknown", [f"output-not-named:{output.name}"]
    if answer.get("elsewhere") is not None:  # the one table that is written and the one output that is told are taken for the same
        status = max(status, "partial", key=_WORST.index)
        reasons.append(f"assumed-output:{answer['elsewhere']}")
    spelled = {name.casefold(): name for name in output.columns or {}}
    columns = []
    for column in answer["columns"]:
        field = spelled.get(column["field"].casefold(), column["field"])
        if not 0 < len(field) <= MAX_NAME:
            status = max(status, "partial", key=_WORST.index)
            reasons.append("unnamed-column")
            continue
        made, why = _column(output, field, column, resolved)
        if why:
            status = max(status, "partial", key=_WORST.index)
            reasons += why
        columns.append(made)
    return columns, status, reasons


def _column(output: NamedDataset, field: str, column: Mapping[str, Any], resolved: Resolved) -> tuple[dict[str, Any], list[str]]:
    inputs, lost = [], dict[str, None]()
    for table, name, kind, subtype in column["inputs"]:
        dataset = resolved.datasets.get(table)
        if dataset is None:
            lost[resolved.problems.get(table, f"unknown-table:{table[:100]}")] = None
        elif 0 < len(name) <= MAX_NAME and name != "*":
            spelled = {each.casefold(): each for each in dataset.columns or {}}
            inputs.append({"namespace": dataset.namespace, "name": dataset.name, "field": spelled.get(name.casefold(), name), "type": kind, "subtype": subtype})
    status, reason = column["status"], column["reason"]
    if lost:
        status = "partial" if inputs or status == "partial" else "unknown"
        reason = ";".join([*([reason] if reason else []), *lost])
    expression = column["expression"]
    if len(expression) > MAX_EXPRESSION:
        expression = expression[:MAX_EXPRESSION] + "…"
    made = {"output": {"namespace": output.namespace, "name": output.name}, "field": field, "inputs": inputs, "expression": expression or None,
            "line": column["line"], "column": column["column"], "status": status, "reason": reason[:MAX_REASON] if reason else None}
    return _without_none(made), list(lost)


def _unread(run: PlainRun, answers: Iterable[Mapping[str, Any]], resolved: Resolved) -> list[str]:
    """Inputs that the run names and the statement does not read: the statement is not all that ran."""
    read = {(dataset.namespace, dataset.name) for answer in answers for table in answer["tables"] if (dataset := resolved.datasets.get(table)) is not None}
    written = {(output.namespace, output.name) for output in run.outputs}
    return [f"input-not-read:{given.name[:100]}" for given in run.inputs if (given.namespace, given.name) not in read | written]


def _within_size(data: dict[str, Any]) -> dict[str, Any]:
    """The body if it fits an entry; else without what decides rows, else without columns, and saying so."""
    data = _without_none(data)
    for lighter in ("", "row-inputs-left-out", "too-many-columns"):
        if lighter:
            data["reason"] = ";".join([*([data["reason"]] if "reason" in data else []), lighter])
            data["status"] = "partial" if lighter == "row-inputs-left-out" and data["status"] != "unknown" else "unknown"
            data["columns"] = [{**column, "inputs": [item for item in column["inputs"] if item["type"] == "DIRECT"], "status": "partial"}
                               for column in data["columns"]] if lighter == "row-inputs-left-out" else []
        if len(rfc8785.dumps(data)) <= MAX_BYTES:
            return data
    return {**data, "timePredicates": [], "windowFrames": []}


def _joined(reasons: Iterable[str]) -> str | None:
    kept: list[str] = []
    for reason in reasons:
        if sum(map(len, kept)) + len(reason) > 4 * MAX_REASON:
            kept.append("…")
            break
        kept.append(reason)
    return ";".join(kept) or None


def _without_none(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if value is not None}
