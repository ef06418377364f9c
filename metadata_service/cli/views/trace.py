"""A trace: the verdict, what changed, then the value step by step back to raw data, and last what only decides its rows."""
from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.syntax import Syntax
from rich.text import Text

from lineproof_schema.urn import holder
from metadata_service.cli.output import counted
from metadata_service.cli.views.frame import Hanging, Row, by_commit, foot, indented, time, words
from metadata_service.cli.views.names import Names, columns_by_dataset, short_id
from metadata_service.queries.phrases import spoken

__all__ = ["trace_view"]

VALUE = "VALUE"
ROOTS_NAMED = 3


def trace_view(answer: Row) -> Iterable[RenderableType]:
    """Everything about the value in full, everything about its rows in a line per dataset."""
    names, verdict = Names(answer), answer["verdict"]
    yield Panel(Text(verdict["because"]), title=f"cause: {words(verdict['cause'])}", title_align="left", border_style="bold")
    for change in answer["changes"]:
        if change["pathChanged"] and not change["first"]:
            yield from _change(change, names)
    for finding in answer["quality"]:
        yield from _finding(finding, names)
    roots = names.list([root["urn"] for root in answer["roots"]], ROOTS_NAMED)
    yield Text(f"\n{roots}, step by step back to raw data", style="bold")
    for number, step in enumerate((step for step in answer["steps"] if step["influence"] == VALUE), 1):
        yield from _step(number, step, names)
    read = columns_by_dataset(each["urn"] for step in answer["steps"] for each in step["inputs"] if each["influence"] == VALUE)
    for source in answer["sources"]:
        if source["influence"] == VALUE:
            yield _source(source, read.get(source["urn"]) or source["columns"], names)
    yield from _rows(answer["steps"], names)
    yield foot(answer, names)


def _change(change: Row, names: Names) -> Iterable[RenderableType]:
    kind = ("suspect ", "bold red") if change["suspect"] else ("earlier ", "yellow") if change["influence"] == VALUE else ("rows only ", "dim")
    by = names(change["job"]) if change["job"] else "declared"
    yield Hanging(Text.assemble(kind, by_commit(change["commit"]), (f"  {by} since {time(change['at'])}, entry {change['openedBy']}", "dim")))
    shown = [column for column in change["columns"] if column["changed"] and column["influence"] == change["influence"]]
    said: dict[str, list[str]] = {}
    for column in shown:
        said.setdefault(_before_and_after(column, names), []).append(column["urn"])
    for what, columns in said.items():
        yield indented(Text.assemble((names.list(columns), "green"), f": {what}"))


def _before_and_after(column: Row, names: Names) -> str:
    before, after = (" ".join((column[key] or "unknown").split()) for key in ("before", "after"))
    parts = [f"{before} → {after}"] if before != after else []
    parts += [f"{verb} {names.list(column[key])}" for verb, key in (("now reads", "added"), ("no longer", "removed")) if column[key]]
    return ", ".join(parts) or f"{after}, by other joins or filters"


def _finding(finding: Row, names: Names) -> Iterable[RenderableType]:
    place = "raw data" if finding["onSource"] else "derived data"
    about = names(finding["urn"]) + (f".{finding['column']}" if finding["column"] and finding["urn"] == holder(finding["urn"]) else "")
    mark = "" if finding["influence"] == VALUE else ", decides rows only"
    yield Hanging(Text.assemble(("failed check ", "bold red"), f"{about} ({place}{mark}): {finding['check']}"))
    details = [f"expected {spoken(finding['expected'])}; found {spoken(finding['actual'])}",
               f"version {short_id(finding['version'])}" if finding["version"] else "", f"checked {time(finding['checkedAt'])}" if finding["checkedAt"] else ""]
    yield indented(Text("; ".join(detail for detail in details if detail)))


def _step(number: int, step: Row, names: Names) -> Iterable[RenderableType]:
    if step["restricted"]:
        yield Text(f"{number}. (outside your grants)", style="dim")
        return
    inputs = names.list([each["urn"] for each in step["inputs"] if each["influence"] == VALUE])
    expression = " ".join((step["expression"] or "").split())
    yield Hanging(Text.assemble((f"{number}. ", "bold"), (names(step["urn"]), "bold green"), f" = {expression}" if expression else "",
                                (f"  ← {inputs}" if inputs else ""), ("  (columns unknown)", "dim") if step["basis"] == "inputsOutputs" else ""))
    place = step["path"]
    if step["file"] and step["line"]:
        place = ":".join(str(part) for part in (step["file"], step["line"], step["column"]) if part)
    yield indented(Text.assemble((f"{place}  ", "bold") if place else f"by {names(step['job'])}  " if step["job"] else "", by_commit(step["commit"])))
    yield indented(Text(_made(step)))
    if step["codeMatchesRun"] is False:
        yield indented(Text("the run ran another version of this code", style="yellow"))
    if step["snippet"]:
        yield _listing(step["snippet"])
    if step["macro"]:
        macro = step["macro"]
        place = (macro["file"], macro["line"]) if macro["file"] and macro["line"] else (f"line {macro['within']} of its text",)
        yield indented(Text.assemble("made by ", (macro["name"], "bold"), "  ", (":".join(str(part) for part in (*place, macro["column"]) if part), "bold")))
        if macro["snippet"]:
            yield _listing(macro["snippet"])


def _listing(snippet: Row) -> RenderableType:
    return Padding(Syntax("\n".join(snippet["lines"]), "sql", line_numbers=True, start_line=snippet["start"], highlight_lines={snippet["highlight"]},
                          theme="ansi_dark", background_color="default", word_wrap=True), (0, 0, 0, 2))


def _made(step: Row) -> str:
    """Run, versions read and version written."""
    run, output = step["run"], step["output"]
    said = []
    if run:
        signed = f", signed by {run['signedBy'].lower()}" if run["signedBy"] else ""
        said.append(f"run {short_id(run['id'])} {(run['status'] or 'of unknown status').lower()} {time(run['endedAt'] or run['startedAt'])}{signed}")
    elif output:
        said.append("written by a run of another job" if output["run"] else "run unknown")
    read: dict[str, str] = {}
    for each in step["inputs"]:
        if each["influence"] == VALUE and each["version"]:
            read[each["version"]["dataset"]] = short_id(each["version"]["id"]) + (" (then current)" if each["version"]["inferred"] else "")
    if read:
        said.append(f"read {'version' if len(read) == 1 else 'versions'} {', '.join(read.values())}")
    if output:
        said.append(f"wrote version {short_id(output['id'])}" + (f" ({output['rowCount']:,} rows)" if output["rowCount"] is not None else ""))
    return "; ".join(said) or "run unknown"


def _source(source: Row, read: Sequence[str], names: Names) -> RenderableType:
    if source["restricted"]:
        return Text("raw  (outside your grants)", style="dim")
    version = source["version"]
    at = f" of {time(version['committedAt'])}" if version and version["committedAt"] else ""
    known = f"version {short_id(version['id'])}{at}" if version else "no version known"
    changed = {True: ", its data differs from the version before", False: ", its data equals the version before", None: ""}[source["changed"]]
    columns = f" ({', '.join(sorted(read))})" if read else ""
    return Hanging(Text.assemble(("raw  ", "bold"), (names(source["urn"]), "bold cyan"), f"{columns}  {known}{changed}",
                                 (f"  {counted(source['failedChecks'], 'failed check')}", "red") if source["failedChecks"] else ""))


def _rows(steps: Sequence[Row], names: Names) -> Iterable[RenderableType]:
    """The datasets and columns that decide which rows there are, nearest first."""
    urns = [each["urn"] for step in steps for each in step["inputs"] if each["influence"] != VALUE]
    if not urns:
        return
    yield Text("\ndecides which rows there are (not the value)", style="bold")
    for dataset, columns in columns_by_dataset(urns).items():
        yield indented(Text.assemble((names(dataset), "cyan"), f": {', '.join(sorted(columns))}" if columns else ""), 2)
