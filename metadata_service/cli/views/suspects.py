"""Suspects as a list, the likeliest first."""
from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from rich.text import Text

from metadata_service.cli.views.frame import Hanging, Row, by_commit, foot, indented, time, words
from metadata_service.cli.views.names import Names, short_id

__all__ = ["suspects_view"]


def suspects_view(answer: Row) -> Iterable[RenderableType]:
    """An entry per suspect: what changed where, before and after, by which commit; then the steps nobody can look into."""
    names, rows = Names(answer), answer["rows"]
    of = names.list([root["urn"] for root in answer["roots"]], 3)
    yield Text(f"{len(rows) or 'no'} {'change' if len(rows) == 1 else 'changes'} upstream of {of} from {answer['from']} to {answer['to']}"
               + (", the likeliest cause first (of 100)" if rows else ""), style="bold")
    for row in rows:
        yield from _item(row, names)
    for step in answer["opaque"]:
        by = f" by {names(step['job'])}" if step["job"] else ""
        yield Text(f"opaque: {names(step['urn'])} is made{by}, which does not say of which columns; looked at as a whole", style="dim")
    yield foot(answer, names)


def _item(row: Row, names: Names) -> Iterable[RenderableType]:
    place = f"  {row['file']}:{row['line']}" if row["file"] and row["line"] else ""
    rows_only = "  (decides only which rows there are)" if row["influence"] == "ROWS" else ""
    yield Hanging(Text.assemble((f"{row['score']:>3}  ", "bold"), (words(row["kind"]), "yellow"), "  ", (names(row["urn"]), "bold"), f"  {row['because']}",
                                (f"{place}{rows_only}", "dim")), 7)
    sides = row["before"], row["after"]
    if all(isinstance(side, str) and not side.startswith("urn:") and short_id(side) not in row["because"] for side in sides) and sides[0] != sides[1]:
        yield indented(Text.assemble(("- ", "red"), " ".join(row["before"].split())), 7)
        yield indented(Text.assemble(("+ ", "green"), " ".join(row["after"].split())), 7)
    when = [f"since {row['since']}" if row["since"] is not None else "", time(row["at"])]
    about = Text.assemble(by_commit(row["commit"]), "  ") if row["commit"] else Text()
    if row["commit"] or any(when):
        yield indented(Text.assemble(about, ("  ".join(each for each in when if each), "dim")), 7)
