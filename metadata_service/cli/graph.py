"""`lineproof graph`: where the projection stands, making it again, proving it, and taking it along."""
from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from metadata_service.cli.options import Data
from metadata_service.cli.output import Json, print_json, say

if TYPE_CHECKING:
    from lineproof_audit.log import Log
    from metadata_service.graph.port import GraphStore
    from metadata_service.settings import Settings

__all__ = ["app"]

app = typer.Typer(help="The graph that is projected from the log: status, rebuild, verify, export.", no_args_is_help=True)



@app.command("status")
def status(data: Data = None, as_json: Json = False) -> None:
    """How far the projection and the deriver are, and what the graph holds."""
    async def work(settings: Settings, log: Log, graph: GraphStore) -> dict[str, Any]:
        from metadata_service.deriver.progress import progress_of

        position = await graph.position()
        return {"log": await asyncio.to_thread(log.reader.size), "graph": position.size, "deriver": await asyncio.to_thread(progress_of, settings.log_url),
                "rootHash": position.root, "digest": position.digest, "counts": await graph.counts()}

    found = _run(work, data)
    if as_json:
        print_json(found)
        return
    behind = found["log"] - found["graph"]
    say(f"graph at {found['graph']} of {found['log']} entries{f', {behind} behind' if behind else ''}; root {found['rootHash']}")
    say(f"SQL of plain events is read up to {found['deriver']}")
    for kind, count in found["counts"].items():
        say(f"  {kind:<12}{count}")


@app.command("rebuild")
def rebuild(data: Data = None, as_json: Json = False) -> None:
    """Project the whole log again. Embedded: a new file is made and swapped in. Elsewhere: in place, so stop the projector first."""
    async def work(settings: Settings, log: Log, graph: GraphStore) -> dict[str, Any]:
        from metadata_service.projector.rebuild import rebuild as again
        from metadata_service.projector.rebuild import rebuild_file

        with _progress("projecting") as advance:
            if settings.graph_url is None:
                position = await rebuild_file(log.reader, settings.data / "graph.db", progress=advance)
            else:
                position = await again(log.reader, graph, progress=advance)
        return {"size": position.size, "rootHash": position.root, "digest": position.digest}

    made = _run(work, data)
    if as_json:
        print_json(made)
    else:
        say(f"rebuilt to {made['size']} entries, digest {made['digest']}")


@app.command("verify")
def verify(data: Data = None, as_json: Json = False) -> None:
    """Project the log again beside the graph and compare digests. Changes nothing; exit 1 if they differ."""
    async def work(_settings: Settings, log: Log, graph: GraphStore) -> dict[str, Any]:
        from metadata_service.projector.rebuild import verify as compare

        with _progress("comparing") as advance:
            found = await compare(log.reader, graph, progress=advance)
        return {"ok": found.ok, "size": found.size, "kept": found.kept, "stored": found.stored, "rebuilt": found.rebuilt}

    verdict = _run(work, data)
    if as_json:
        print_json(verdict)
    elif verdict["ok"]:
        say(f"the graph is what the log says at size {verdict['size']}; digest {verdict['rebuilt']}")
    else:
        say(f"the graph is NOT what the log says at size {verdict['size']}: make it again with lineproof graph rebuild")
        for name in ("kept", "stored", "rebuilt"):
            say(f"  {name:<8} {verdict[name]}")
    if not verdict["ok"]:
        raise typer.Exit(1)


@app.command("export")
def export(file: Annotated[Path, typer.Argument(help="The file to write; must not exist.")], data: Data = None, as_json: Json = False) -> None:
    """Write the graph to one file that answers offline: lineproof impact ... --data FILE. It holds everything, so mind who gets it."""
    async def work(settings: Settings, log: Log, graph: GraphStore) -> dict[str, Any]:
        from metadata_service.cli.snapshot import export_snapshot

        embedded = settings.data / "graph.db" if settings.graph_url is None else None
        position = await export_snapshot(log.reader, graph, embedded, file)
        return {"file": str(file), "bytes": file.stat().st_size, "size": position.size, "rootHash": position.root, "digest": position.digest}

    made = _run(work, data)
    if as_json:
        print_json(made)
    else:
        say(f"{made['file']}: the graph at {made['size']} entries, {made['bytes']} bytes, digest {made['digest']}")


def _run(work: Callable[[Settings, Log, GraphStore], Awaitable[dict[str, Any]]], data: Path | None) -> dict[str, Any]:
    from metadata_service.settings import load_settings

    async def run() -> dict[str, Any]:
        settings = load_settings(data=data)
        async with _opened(settings) as (log, graph):
            return await work(settings, log, graph)

    return asyncio.run(run())


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[Log, GraphStore]]:
    from lineproof_audit.log import Log
    from metadata_service.graph.open import open_graph

    with Log.open(settings.log_url, readonly=True, state_dir=settings.state_dir) as log:
        graph = open_graph(settings.graph_location)
        try:
            await graph.setup()
            yield log, graph
        finally:
            await graph.close()


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
