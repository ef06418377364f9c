"""What serving and training ask: which concrete feature versions do these references mean, and for how long?

    resolver = Resolver(model="flights:delay@7")       # or without a model: references are resolved one by one
    wind = resolver.one("flights:wind")                # .urn, .version, .online["uri"], .why
    both = resolver.resolve(["flights:wind", "flights:delay"])

With a model its whole binding is fetched at once and nothing else is ever answered. Answers are kept as long as the service says they
hold; while the service is down the last ones go on being served and say so (`stale`), from `cache`, a file, even across restarts.
"""
from __future__ import annotations

import http.client
import json
import os
import tempfile
import threading
import time as clock
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ingest_hooks.errors import ResolveError, SettingError

__all__ = ["Resolution", "Resolver"]

TIMEOUT_SECONDS = 2.0
RETRY_SECONDS = 1.0  # after a failure the service is left alone for so long, twice as long after the next one, and stale answers cost nothing
MAX_RETRY_SECONDS = 30.0  # a service that hangs holds up one caller for one timeout in so long
WAIT_SECONDS = 0.25  # how long a caller that has an answer waits for the one who is asking for a newer one
MAX_BATCH = 1_000  # references in one request; the service's own limit
MAX_ANSWER_BYTES = 64 * 2**20
CACHE_FORMAT = 1
_SERVICE_SPOKE = frozenset({400, 401, 403, 404, 409, 422})
_TAKEN_BACK = frozenset({"retired", "no-manifest", "not-found", "not-pinned"})  # what was answered before does not hold any more


@dataclass(frozen=True, slots=True)
class Resolution:
    """A concrete feature version. `ttl_seconds` None: it never changes. `stale`: the answer is older than it holds, since the service is down or slow.

    `via` is pin, alias or version; `offline` and `online` are `{uri, columns}` or None.
    """

    reference: str
    urn: str
    version: str
    via: str
    alias: str | None
    alias_index: int | None
    ttl_seconds: int | None
    why: str
    data_hash: str
    dtype: str | None
    offline: Mapping[str, Any] | None
    online: Mapping[str, Any] | None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer or a refusal, and when it stops to hold (seconds since the epoch, None: never)."""

    answer: Resolution | None
    code: str | None
    detail: str
    until: float | None


class Resolver:
    """Resolves references at the service, in batches, from memory where that still holds. Thread-safe.

    One thread asks at a time. Those that have an answer wait for it a quarter of a second at most, and go on with what they have.

    Args:
        model: a model version (`<ns>:<name>@<version|alias>` or URN) or a deployment (URN); its binding is all that is answered.
        url, token: of the service; LINEPROOF_URL and LINEPROOF_TOKEN if left out.
        cache: a file that keeps the last answers for the next process.
        timeout: seconds for one request.
    """

    def __init__(self, model: str | None = None, *, url: str | None = None, token: str | None = None, cache: str | Path | None = None,
                 timeout: float = TIMEOUT_SECONDS, now: Callable[[], float] = clock.time) -> None:
        self._model = model
        self._url = url or os.environ.get("LINEPROOF_URL")
        self._token = token or os.environ.get("LINEPROOF_TOKEN")
        self._file = Path(cache) if cache is not None else None
        self._timeout = timeout
        self._now = now
        self._lock = threading.Lock()  # of what is known; never held while the service is asked
        self._asking = threading.Lock()
        self._pause = RETRY_SECONDS
        self._kept: dict[str, _Kept] = {}
        self._whole: float | None = None  # until when the model's binding as fetched holds; None: not fetched
        self._asked_again = 0.0
        self._problem: ResolveError | None = None
        self._load()

    def one(self, reference: str) -> Resolution:
        """One reference. Raises ResolveError."""
        return self.resolve([reference])[reference]

    def resolve(self, references: Iterable[str]) -> dict[str, Resolution]:
        """All of `references`, or an error that names the first one without an answer.

        Raises:
            ResolveError: `not-pinned`, `not-found`, `no-manifest`, `retired`, or what else the service refused with; `unreachable` if it is
                down and there is no earlier answer.
        """
        wanted = list(dict.fromkeys(references))
        self._keep_fresh(wanted)
        with self._lock:
            return {reference: self._answer(reference) for reference in wanted}

    def binding(self) -> dict[str, Resolution]:
        """Everything the model is bound to, by reference. Raises ResolveError, also without a model."""
        if self._model is None:
            raise ResolveError("there is no model whose binding could be asked", code="invalid-argument")
        self._keep_fresh([])
        with self._lock:
            if not self._kept and self._problem is not None:
                raise ResolveError(self._problem.detail, code=self._problem.code)
            return {reference: self._answer(reference) for reference in list(self._kept)}

    # -- deciding what to ask

    def _keep_fresh(self, wanted: list[str]) -> None:
        with self._lock:
            if not self._due(wanted):
                return
            known = bool(self._kept) if self._model is not None else all(reference in self._kept for reference in wanted)
        if not self._asking.acquire(timeout=WAIT_SECONDS if known else -1):
            return
        try:
            with self._lock:
                due = self._due(wanted)  # another thread may just have asked
            for batch in due:
                self._refresh(batch)
        finally:
            self._asking.release()

    def _due(self, wanted: list[str]) -> list[list[str]]:
        """The batches to ask for now; none while the service is left alone after a failure."""
        now = self._now()
        if now < self._asked_again and self._problem is not None:
            return []
        if self._model is not None:
            return [] if self._whole is not None and now < self._whole else [[]]
        old = [reference for reference in wanted if (kept := self._kept.get(reference)) is None or (kept.until is not None and now >= kept.until)]
        return [old[start:start + MAX_BATCH] for start in range(0, len(old), MAX_BATCH)]

    def _refresh(self, batch: list[str]) -> None:
        now = self._now()
        with self._lock:
            if now < self._asked_again and self._problem is not None:
                return  # the batch before this one failed
        try:
            rows = self._ask(batch)
        except ResolveError as error:
            with self._lock:
                self._failed(error, now)
            return
        with self._lock:
            self._take(rows, now)
            self._save()

    def _failed(self, error: ResolveError, now: float) -> None:
        """Down, or credentials that lapsed: what is known goes on. A binding that ended takes its answers with it."""
        if error.code in _TAKEN_BACK:
            self._kept.clear()
            self._whole = None
        self._pause = min(2 * self._pause, MAX_RETRY_SECONDS) if self._problem is not None else RETRY_SECONDS
        self._problem, self._asked_again = error, now + self._pause

    def _take(self, rows: list[dict[str, Any]], now: float) -> None:
        self._problem = None
        if self._model is not None:
            self._kept.clear()
        for row in rows:
            self._kept[row["reference"]] = _read(row, now)
        if self._model is not None:
            ends = [kept.until for kept in self._kept.values() if kept.until is not None]
            self._whole = min(ends, default=float("inf"))

    def _answer(self, reference: str) -> Resolution:
        kept = self._kept.get(reference)
        if kept is None and self._model is not None:
            kept = self._bound_as(reference)
        if kept is None and self._model is not None and self._kept:
            raise ResolveError(f"{self._model} is not bound to {reference}; it is bound to {', '.join(sorted(self._kept))}", code="not-pinned",
                               reference=reference)
        if kept is None and self._problem is not None:
            raise ResolveError(self._problem.detail, code=self._problem.code, reference=reference)
        if kept is None:
            raise ResolveError(f"{self._model} is bound to nothing", code="not-pinned", reference=reference)
        if kept.answer is None:
            raise ResolveError(kept.detail, code=kept.code, reference=reference)
        old = kept.until is not None and self._now() >= kept.until
        return replace(kept.answer, reference=reference, stale=old)

    def _bound_as(self, reference: str) -> _Kept | None:
        """The bound row that another spelling means: the feature, if it is bound once, or the concrete version."""
        if "@" not in reference:
            fitting = [other for other in self._kept if other.rpartition("@")[0] == reference]
            return self._kept[fitting[0]] if len(fitting) == 1 else None
        return next((kept for kept in self._kept.values() if kept.answer is not None and kept.answer.via == "pin" and _spelled(kept.answer.urn) == reference),
                    None)

    # -- asking

    def _ask(self, references: list[str]) -> list[dict[str, Any]]:
        body = json.dumps({"references": references, "model": self._model}).encode()
        status, raw = self._post(body)
        try:
            answer = json.loads(raw)
        except ValueError:
            answer = {}
        if status == 200 and isinstance(answer.get("resolutions"), list):
            found: list[dict[str, Any]] = answer["resolutions"]
            return found
        if status in _SERVICE_SPOKE and answer.get("code"):
            raise ResolveError(str(answer.get("detail")), code=_known(str(answer["code"])))
        raise ResolveError(f"{self._url} answered {status}", code="unreachable")

    def _post(self, body: bytes) -> tuple[int, bytes]:
        if self._url is None:
            raise SettingError("no service URL is set (argument `url` or LINEPROOF_URL)")
        parts = urlsplit(self._url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingError(f"not an HTTP address: {self._url}")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname, parts.port, timeout=self._timeout)  # follows no redirect: the token goes nowhere else
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {self._token}"} if self._token else {})}
        try:
            connection.request("POST", parts.path.rstrip("/") + "/resolve", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(MAX_ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise ResolveError(f"{self._url} cannot be reached: {error or type(error).__name__}", code="unreachable") from error
        finally:
            connection.close()

    # -- across restarts

    def _load(self) -> None:
        """Answers of an earlier process: served only while the service is down, so they are taken in as over."""
        if self._file is None:
            return
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            if kept["format"] == CACHE_FORMAT and kept["model"] == self._model and kept["url"] == self._url:
                self._kept = {row["reference"]: _Kept(Resolution(**row), None, "", 0.0) for row in kept["answers"]}
        except (OSError, ValueError, KeyError, TypeError):
            self._kept = {}  # none, of another kind, or damaged: the service will be asked

    def _save(self) -> None:
        if self._file is None:
            return
        answers = [asdict(kept.answer) for kept in self._kept.values() if kept.answer is not None]
        text = json.dumps({"format": CACHE_FORMAT, "model": self._model, "url": self._url, "answers": answers})
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._file.parent, prefix=self._file.name)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(name, self._file)
        except OSError:
            return  # memory still holds them; only a restart while the service is down would miss them


def _read(row: Mapping[str, Any], now: float) -> _Kept:
    problem = row.get("problem")
    if problem is not None:
        return _Kept(None, _known(str(problem["code"])), str(problem["detail"]), now + RETRY_SECONDS)
    ttl = row["ttlSeconds"]
    found = Resolution(row["reference"], row["urn"], row["version"], row["via"], row["alias"], row["aliasIndex"], ttl, row["why"], row["dataHash"],
                       row["dtype"], row["offline"], row["online"])
    return _Kept(found, None, "", None if ttl is None else now + ttl)


def _spelled(urn: str) -> str:
    """`<ns>:<name>@<version>` of a feature version's URN, components encoded in both."""
    namespace, name, version = urn.split(":")[3:6]
    return f"{namespace}:{name}@{version}"


def _known(code: str) -> str:
    from lineproof_schema.errors import CODES

    return code if code in CODES else "internal"
