"""URNs of what events name, and the references between them.

Everything here is called once per name and event, so the common constructors are cached. Names with a run's id in them come with one run and
never again: those are kept for a moment only, or they would push out the names of the datasets and jobs.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from lineproof_schema.urn import UrnError, format_urn, parse_urn
from metadata_service.projector.plain import MAX_NESTING, as_dict, as_list, as_text

__all__ = ["MAX_PROJECTED_URN", "bounded", "column_names", "column_of", "column_urn", "dataset_of", "dataset_urn", "feature_ref", "job_urn", "of",
           "principal_urn", "repository_name", "run_urn", "run_version_urn", "version_clock_key", "version_urn"]

# Characters of a URN the graph takes. PostgreSQL indexes rows of at most 2,704 bytes, and its search index holds name and URN;
# the longest object paths of cloud stores fit. What is longer is refused here for every store, so that all of them say the same.
MAX_PROJECTED_URN: Final = 1_300
CACHED_NAMES: Final = 65_536  # names of a large warehouse's daily runs; about 20 MB
CACHED_RUN_NAMES: Final = 2_048  # each is asked for when its batch is loaded and when it is projected
_SCP: Final = re.compile(r"^[\w.+-]+@([^:/]+):(.+)$")  # git@host:owner/name.git
_SCHEME: Final = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@lru_cache(CACHED_NAMES)
def of(kind: str, *components: str) -> str:
    """The URN of `kind` with these components.

    Raises:
        UrnError: a component is empty, too long, no Unicode, or has a NUL character, which no store keeps.
    """
    return _made(kind, *components)


def _made(kind: str, *components: str) -> str:
    if any("\0" in part for part in components):
        raise UrnError(f"{kind} has a name with a NUL character")
    return bounded(format_urn(kind, *components))


def bounded(urn: str) -> str:
    """`urn`, if the graph takes it.

    Raises:
        UrnError: it is too long.
    """
    if len(urn) > MAX_PROJECTED_URN:
        raise UrnError(f"URN of {len(urn)} characters, the graph takes {MAX_PROJECTED_URN}")
    return urn


@lru_cache(CACHED_NAMES)
def dataset_urn(namespace: str, name: str) -> str:
    """`urn:lineproof:dataset:<ns>:<name>`."""
    return _made("dataset", namespace, name)


@lru_cache(CACHED_NAMES)
def job_urn(namespace: str, name: str) -> str:
    """`urn:lineproof:job:<ns>:<name>`."""
    return _made("job", namespace, name)


@lru_cache(CACHED_RUN_NAMES)
def run_urn(run_id: str) -> str:
    """`urn:lineproof:run:<uuid>`."""
    return _made("run", run_id)


def principal_urn(who: str) -> str:
    """`urn:lineproof:principal:<id>`: the lower-cased e-mail or owner string."""
    return of("principal", who.strip().lower())


@lru_cache(CACHED_NAMES)
def column_urn(dataset: str, *path: str) -> str:
    """The column `path` of the dataset with URN `dataset`."""
    parsed = parse_urn(dataset)
    return of("column", *parsed.components, *path)


def column_of(dataset: str, path: Sequence[str]) -> str | None:
    """As `column_urn`; None if no URN can name it, or there is nothing to name."""
    try:
        return column_urn(dataset, *path) if all(path) else None
    except UrnError:
        return None


def column_names(fields: Sequence[Any], depth: int = 0) -> list[list[str]]:
    """Paths of all columns of a `schema` facet, nested ones after their parents."""
    names: list[list[str]] = []
    for field in fields if depth < MAX_NESTING else ():
        name = as_text(as_dict(field).get("name"))
        if name is not None and "\0" not in name:
            names.append([name])
            names.extend([name, *below] for below in column_names(as_list(as_dict(field).get("fields")), depth + 1))
    return names


@lru_cache(CACHED_RUN_NAMES)
def version_urn(dataset: str, version: str) -> str:
    """The version `version` of the dataset with URN `dataset`."""
    return _made("dataset-version", *parse_urn(dataset).components, version)


def run_version_urn(dataset: str, run_id: str) -> str:
    """The version that a run without a `version` facet wrote: `run:<runId>`."""
    return version_urn(dataset, f"run:{run_id}")


def version_clock_key(dataset: str) -> str:
    """State key of the claimed time (µs) of a dataset's current version."""
    return f"version-at:{dataset}"


@lru_cache(CACHED_NAMES)
def dataset_of(urn: str) -> str | None:
    """The dataset that this URN is, or is a column or version of; None for other kinds."""
    parsed = parse_urn(urn)
    if parsed.kind == "dataset":
        return urn
    return of("dataset", *parsed.components[:2]) if parsed.kind in ("column", "dataset-version") else None


def feature_ref(text: str) -> tuple[str, str, str]:
    """Split `<ns>:<name>@<version|alias>`, components encoded as in a URN, into three decoded texts.

    Raises:
        UrnError: the text is no such reference.
    """
    where, at, selector = text.rpartition("@")
    namespace, colon, name = where.partition(":")
    if not (at and colon and namespace and name and selector) or ":" in name:
        raise UrnError(f"not a reference <ns>:<name>@<version|alias>: {text[:80]!r}")
    try:
        decoded = [unquote_to_bytes(part).decode("utf-8") for part in (namespace, name, selector)]
    except UnicodeDecodeError as error:
        raise UrnError(f"reference {text[:80]!r} is not UTF-8") from error
    return decoded[0], decoded[1], decoded[2]


def repository_name(url: str) -> str | None:
    """`host/owner/name` with lower-cased host, without scheme, credentials, port of ssh form and `.git`; None if it is no repository URL."""
    text = url.strip()
    scp = _SCP.match(text)
    text = f"{scp[1]}/{scp[2]}" if scp else _SCHEME.sub("", text)
    host, _, path = text.partition("/")
    host = host.rpartition("@")[2].lower()
    path = path.strip("/").removesuffix(".git")
    return f"{host}/{path}" if host and path and not re.search(r"\s", path) else None
