"""One entity: its facts in words, and what it is linked to, grouped by the kind of link."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

from lineproof_schema.urn import kind_of
from metadata_service.cli.views.frame import Hanging, Row, fact_words, foot, indented, time, words
from metadata_service.cli.views.names import Names, short_id
from metadata_service.cli.views.producers import producers_view
from metadata_service.queries.phrases import spoken

__all__ = ["entity_view"]

LINKS_SHOWN: Final = 8  # ends of one kind of link
FIRST: Final = ("description", "owners", "tags", "classification", "existence", "currentVersion", "schema")
LINKS: Final = {  # as the source of a link says it, and as its target does
    "AUTHORED_BY": ("author", "authored"), "CHILD_OF": ("child of", "children"), "COLUMN_OF": ("column of", "columns"),
    "DEPENDS_ON": ("depends on", "depended on by"), "DEPLOYS": ("deploys", "deployed by"), "EXECUTED": ("executed", "executed by"),
    "FED_BY": ("fed by", "feeds"), "FROM_COMMIT": ("from commit", "code"), "GENERATED": ("wrote", "written by"),
    "IMPLEMENTS": ("implements", "implemented by"), "IN_REPOSITORY": ("in repository", "commits"), "MATERIALIZED_AS": ("materialized as", "materializes"),
    "OF": ("of job", "runs"), "OWNED_BY": ("owned by", "owns"), "PINS": ("pins", "pinned by"), "READS": ("reads", "read by jobs"),
    "ROOT": ("root run", "runs under it"), "RUNS_IN": ("runs in", "runs here"), "SAME_AS": ("same as", "same as"),
    "TRAINED_ON": ("trained on", "trained models"), "USED": ("read", "read by"), "USES": ("uses", "used by models"),
    "VERSION_OF": ("version of", "versions"), "WRITES": ("writes", "written by jobs"),
}


def entity_view(answer: Row) -> Iterable[RenderableType]:
    """Facts with the size they hold since, then links, then checks."""
    found = answer["entity"]
    names = Names(answer)
    yield Text.assemble((names(found["urn"]), "bold"), f"  {words(found['kind'])}", ("  dropped", "bold red") if found["dropped"] else "",
                        (f"  since {found['since']}\n{found['urn']}", "dim"))
    facts = sorted(found["facts"], key=lambda fact: (FIRST.index(fact["name"]) if fact["name"] in FIRST else len(FIRST), fact["name"]))
    for fact in facts:
        if not fact["name"].startswith(("quality:", "facet:")):
            yield from _fact(fact, names)
    facets = [fact["name"].removeprefix("facet:") for fact in facts if fact["name"].startswith("facet:")]
    if facets:
        yield Text.assemble(("facets: ", "bold"), ", ".join(facets), ("  (as they were sent: --json)", "dim"))
    grouped: dict[str, list[str]] = {}
    for link in found["links"]:
        said = LINKS[link["type"]][0 if link["outgoing"] else 1] if link["type"] in LINKS else words(link["type"])  # of a newer service
        grouped.setdefault(said, []).append(link["urn"])
    for said, urns in grouped.items():
        ends = [parse_column(urn, names) for urn in urns]
        more = f" and {len(ends) - LINKS_SHOWN} more" if len(ends) > LINKS_SHOWN and said != "columns" else ""
        yield Hanging(Text.assemble((f"{said}: ", "bold"), ", ".join(ends if not more else ends[-LINKS_SHOWN:]) + more), 2)
    yield from producers_view(found["producers"], names)
    checks = [fact for fact in facts if fact["name"].startswith("quality:")]
    if checks:
        yield Text("checks", style="bold")
    for fact in checks:
        yield indented(_check(fact), 2)
    yield foot(answer, names)


def parse_column(urn: str, names: Names) -> str:
    """The end of a link; of a column its own name is enough."""
    said = names(urn)
    return said.rpartition(".")[2] if kind_of(urn) == "column" else said


def _fact(fact: Row, names: Names) -> Iterable[RenderableType]:
    name, value, since = fact["name"], fact["value"], (f"  (since {fact['since']})", "dim")
    if name == "schema" and isinstance(value, list):
        yield Text.assemble((f"schema, {len(value)} columns", "bold"), since)
        width = max((len(str(field.get("name"))) for field in value), default=0)
        for field in value:
            nullable = "" if field.get("nullable") is not False else ", never null"
            yield indented(Text.assemble(f"{field.get('name')!s:<{width}}  ", (f"{field.get('type') or ''}{nullable}", "cyan"),
                                         f"  {field['description']}" if field.get("description") else ""), 2)
    elif name == "owners" and isinstance(value, list):
        yield Text.assemble(("owners: ", "bold"), ", ".join(_owner(each) for each in value), since)
    else:
        yield Hanging(Text.assemble((f"{fact_words(name)}: ", "bold"), _said(value, names), since), 2)


def _owner(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    return str(value.get("name")) + (f" ({str(value['type']).lower()})" if value.get("type") not in (None, "OWNER") else "")


def _said(value: Any, names: Names) -> str:
    if isinstance(value, str):
        return names(value) if kind_of(value) is not None else value if " " in value else short_id(value)
    return spoken(value)


def _check(fact: Row) -> Text:
    value = fact["value"] if isinstance(fact["value"], Mapping) else {}
    passed = value.get("success")
    mark = ("passed", "green") if passed else ("failed", "bold red") if passed is False else ("unknown", "yellow")
    text = Text.assemble(mark, f"  {value.get('check') or fact['name'].removeprefix('quality:')}", f" on {value['column']}" if value.get("column") else "",
                         f"  {time(value['checkedAt'])}" if isinstance(value.get("checkedAt"), str) else "")
    return text if passed else text.append(f"  expected {spoken(value.get('expected'))}; found {spoken(value.get('actual'))}")
