"""Who makes a dataset now, and who did before."""
from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import RenderableType
from rich.text import Text

from metadata_service.cli.output import counted
from metadata_service.cli.views.frame import Row, indented, time
from metadata_service.cli.views.names import Names

__all__ = ["producers_view"]

SHOWN = 12  # of those that no longer make it


def producers_view(producers: Sequence[Row], names: Names) -> Iterable[RenderableType]:
    """A line each: the current ones, then the latest of the others."""
    if not producers:
        return
    past = [each for each in producers if not each["current"]]
    yield Text("made by", style="bold")
    for each in [*(each for each in producers if each["current"]), *past[:SHOWN]]:
        yield indented(_producer(each, names), 2)
    if len(past) > SHOWN:
        yield indented(Text(f"… {len(past) - SHOWN} earlier ones: --json", style="dim"), 2)


def _producer(each: Row, names: Names) -> Text:
    code = names(each["transformation"]) if each["transformation"] else "code unknown" if each["job"] else None
    who = "(a job outside your grants)" if each["restricted"] else names(each["job"]) if each["job"] else "what is declared of it"
    ended = f"from {each['since']} to {each['until']}" if each["until"] is not None else f"first at {each['since']}"
    stood = f"since {each['since']}" if each["current"] else ended
    again = f", first at {each['first']}" if each["first"] < each["since"] else ""
    seen = f", {counted(each['runs'], 'run')}" if each["runs"] else ""
    last = f", last {time(each['lastSeen'])}" if each["lastSeen"] else ""
    return Text.assemble((who, "" if each["current"] else "dim"), (f"  {code}" if code and not each["restricted"] else "", "dim"),
                         (f"  now, {stood}" if each["current"] else f"  {stood}", "green" if each["current"] else "dim"), (f"{again}{seen}{last}", "dim"))
