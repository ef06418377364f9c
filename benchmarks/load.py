"""A lean HTTP/1.1 client: the service is measured, so whoever asks must cost little on the cores both share."""
from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle

from benchmarks.serving import Service

__all__ = ["Answers", "closed_loop", "open_loop", "post", "request"]


@dataclass(slots=True)
class Answers:
    """What came back: seconds per request by status, and the wall time of the whole."""

    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)
    wall: float = 0.0

    def require(self, status: int) -> None:
        """Only good answers make a figure."""
        if set(self.statuses) != {status}:
            raise RuntimeError(f"answers by status: {self.statuses}; {self.bodies[-1][:500]!r}")


def request(service: Service, path: str, body: bytes, content_type: str = "application/json", headers: Sequence[str] = ()) -> bytes:
    """The bytes of a POST; `headers` are lines of the head beside the usual ones."""
    more = "".join(f"{line}\r\n" for line in headers)
    return (f"POST {path} HTTP/1.1\r\nhost: {service.host}\r\nauthorization: Bearer {service.token}\r\ncontent-type: {content_type}\r\n"
            f"{more}content-length: {len(body)}\r\n\r\n").encode() + body


class _Connection:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> _Connection:
        self._streams = await asyncio.open_connection(self._service.host, self._service.port, limit=1 << 20)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._streams is not None:
            self._streams[1].close()

    async def send(self, raw: bytes) -> tuple[int, bytes]:
        """Status and body."""
        assert self._streams is not None
        reader, writer = self._streams
        writer.write(raw)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), None)
        if length is None:
            raise RuntimeError(f"an answer without a length: {head!r}")
        return int(head[9:12]), await reader.readexactly(length)


async def _worker(service: Service, requests: Iterator[bytes], answers: Answers, until: float, *, keep: bool) -> None:
    async with _Connection(service) as connection:
        for raw in requests:
            began = time.perf_counter()
            status, body = await connection.send(raw)
            now = time.perf_counter()
            _note(answers, now - began, status, body, keep=keep)
            if now >= until:
                return


def _note(answers: Answers, seconds: float, status: int, body: bytes, *, keep: bool) -> None:
    answers.seconds.append(seconds)
    answers.statuses[status] = answers.statuses.get(status, 0) + 1
    if keep or status >= 300:
        answers.bodies.append(body)


def closed_loop(service: Service, requests: Iterable[bytes], *, connections: int, seconds: float = float("inf"), keep: bool = False,
                beside: Sequence[Service] = ()) -> Answers:
    """Every connection sends its next request when the last was answered, until there are none or the time is over.

    `beside`: other processes that serve the same log; the connections go to all of them in turn.
    """
    async def run() -> Answers:
        answers, source, began = Answers(), iter(requests), time.perf_counter()
        served = cycle((service, *beside))
        await asyncio.gather(*(_worker(next(served), source, answers, began + seconds, keep=keep) for _ in range(connections)))
        answers.wall = time.perf_counter() - began
        return answers

    return asyncio.run(run())


def open_loop(service: Service, requests: Sequence[bytes], *, rate: float, connections: int) -> Answers:
    """Request n is due at n / rate, whether or not the ones before were answered; its time counts from when it was due."""
    async def run() -> Answers:
        answers = Answers()
        due: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()

        async def work() -> None:
            async with _Connection(service) as connection:
                while (item := await due.get()) is not None:
                    status, body = await connection.send(item[1])
                    _note(answers, time.perf_counter() - item[0], status, body, keep=False)

        workers = [asyncio.create_task(work()) for _ in range(connections)]
        began = time.perf_counter() + 0.1
        for number, raw in enumerate(requests):
            moment = began + number / rate
            if (wait := moment - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            due.put_nowait((moment, raw))
        for _ in workers:
            due.put_nowait(None)
        await asyncio.gather(*workers)
        answers.wall = time.perf_counter() - began
        return answers

    return asyncio.run(run())


def post(service: Service, path: str, body: bytes) -> bytes:
    """One POST on a connection of its own; the body of a good answer."""
    answers = closed_loop(service, [request(service, path, body)], connections=1, keep=True)
    answers.require(200)
    return answers.bodies[0]
