"""A context manager around one step of a plain Python or DuckDB pipeline.

    with emitter.step("clean_weather", inputs=["raw.weather"], outputs=["clean.weather"], code=clean) as step:
        step.sql(connection, "create or replace table clean.weather as select …")
        step.version("clean.weather", connection.table("clean.weather").to_arrow_table())

It says START when the block is entered and COMPLETE or FAIL when it is left; what the block raises goes through untouched, and
nothing that goes wrong in here reaches the block. What could not be found out is said to be unknown, never guessed.
"""
from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Protocol, Self

from ingest_hooks import facets
from ingest_hooks.call import DuckDB, InputFile, InputTable, code_files, described, real
from ingest_hooks.environment import duckdb_engine, environment_of
from ingest_hooks.git import GitRepository
from ingest_hooks.receipt import Receipt
from ingest_hooks.transformation import SourceCode, source_of, transformation_version
from lineproof_schema.errors import LineproofError
from lineproof_schema.urn import format_urn

__all__ = ["Dataset", "DatasetLike", "Step"]

logger = logging.getLogger("ingest_hooks")

MAX_STACK_CHARACTERS = 16_000  # enough frames to find the line; stacks of recursions are megabytes


class Dataset(NamedTuple):
    """A dataset by its OpenLineage identity."""

    namespace: str
    name: str


DatasetLike = str | Dataset | tuple[str, str]  # a bare name lies in the step's namespace


class Producer(Protocol):
    """What a step needs of an emitter."""

    def openlineage(self, event: Any) -> Receipt: ...
    def transformation(self, **fields: Any) -> Receipt: ...
    def dataset_version(self, **fields: Any) -> Receipt: ...
    def artifact(self, content: bytes) -> str | None: ...
    def files_version(self, *, namespace: str, name: str, files: Any, retain: bool = False, run_id: str | None = None) -> str | None: ...


@dataclass(slots=True)
class _Side:
    """What is known of one dataset of the step."""

    facets: dict[str, Any] = field(default_factory=dict)
    io_facets: dict[str, Any] = field(default_factory=dict)


class Step:
    """One run of one job. `run_id` is a UUIDv7. Attributes may be read inside the block; use it once."""

    def __init__(self, producer: Any, job: str, *, inputs: Iterable[DatasetLike], outputs: Iterable[DatasetLike],
                 code: Callable[..., Any] | str | Path | None, purpose: Literal["normal", "rerun", "rebuild", "backfill"], namespace: str) -> None:
        self.run_id = str(_uuid7())
        self.job = Dataset(namespace, job)
        self._producer: Producer = producer
        self._namespace = namespace
        self._code = code
        self._purpose = purpose
        self._given = (inputs, outputs)
        self._inputs: dict[Dataset, _Side] = {}
        self._outputs: dict[Dataset, _Side] = {}
        self._job_facets: dict[str, Any] = {}
        self._run_facets: dict[str, Any] = {}
        self._statements: list[str] = []

    def __enter__(self) -> Self:
        with self._contained("describe its datasets"):
            for side, given in zip((self._inputs, self._outputs), self._given, strict=True):
                for dataset in given:
                    side.setdefault(self._dataset(dataset), _Side())
        self._run_facets["lineproof_run"] = facets.lineproof("RunFacet", purpose=self._purpose)
        if self._code is not None:
            with self._contained("find its code"):
                self._describe_code(source_of(self._code))
        self._emit("START")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._emit("COMPLETE")
            return
        with self._contained("describe its failure"):
            stack = "".join(traceback.format_exception(kind, error, trace))[-MAX_STACK_CHARACTERS:]
            self._run_facets["errorMessage"] = facets.error_message(f"{type(error).__name__}: {error}", stack)
        self._emit("ABORT" if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit) else "FAIL")

    # ---- inside the block

    def reads(self, *datasets: DatasetLike) -> None:
        """The step reads these, too."""
        with self._contained("describe its inputs"):
            for dataset in datasets:
                self._inputs.setdefault(self._dataset(dataset), _Side())

    def writes(self, *datasets: DatasetLike) -> None:
        """The step writes these, too."""
        with self._contained("describe its outputs"):
            for dataset in datasets:
                self._outputs.setdefault(self._dataset(dataset), _Side())

    def sql(self, connection: Any, sql: str, parameters: Any = None) -> Any:
        """Run `sql` on a DuckDB connection and note which columns it makes from which.

        Returns:
            What `connection.execute` returns. What it raises is raised.
        """
        lineage = None
        with self._contained("read its SQL"):
            from ingest_hooks.duckdb_sql import sql_facts

            lineage = sql_facts(connection, sql, Path(sys._getframe(1).f_code.co_filename), self._known_tables(), self._namespace)
        result = connection.execute(sql) if parameters is None else connection.execute(sql, parameters)
        with self._contained("describe its SQL"):
            self._statements.append(sql)
            self._job_facets["sql"] = facets.sql(";\n".join(self._statements), "duckdb")
            if lineage is not None:
                for dataset in lineage.inputs:
                    if dataset not in self._outputs:
                        self._inputs.setdefault(dataset, _Side())
                if lineage.output is not None:
                    side = self._outputs.setdefault(lineage.output, _Side())
                    before = side.facets.get("lineproof_columns")
                    side.facets.update(lineage.output_facets)
                    if not lineage.replaces:
                        columns = side.facets["lineproof_columns"]
                        timing = facets.both_timings(before["timing"], columns["timing"]) if before is not None else facets.with_earlier_rows(columns["timing"])
                        side.facets["lineproof_columns"] = {**columns, "timing": timing}
        return result

    def call(self, function: Callable[..., Any], *arguments: Any, returns: DatasetLike | None = None, retain: bool = False,
             level: Literal["bit", "row-set", "tolerance", "schema"] = "row-set", tolerance: float | None = None, **named: Any) -> Any:
        """Call `function` and record the call, so that `lineproof rebuild` can make it again. One call per step.

        Args:
            function: a function at the top of a file.
            arguments, named: JSON values, or `DuckDB`, `InputFile`, `InputTable` (see `ingest_hooks.call`).
            returns: the dataset that the returned Arrow table is a version of.
            retain: keep the bytes of input files and tables in the artifact store, as far as they are small (64 MiB each); at level `tolerance`
                the returned table, too.
            level: what a rebuild is promised to reach; `tolerance` is relative.

        Returns:
            What the function returns. What it raises is raised.
        """
        with self._contained("describe its call"):
            self._run_facets["lineproof_rebuild"] = self._describe_call(function, arguments, named, returns, retain, level, tolerance)
        result = function(*(real(argument) for argument in arguments), **{name: real(argument) for name, argument in named.items()})
        if returns is not None:
            self.version(returns, result, bit=level == "bit", retain=retain and level == "tolerance")  # what a tolerance is measured from
        return result

    def version(self, dataset: DatasetLike, table: Any, *, version: str | None = None, event_time: dict[str, Any] | None = None,
                knowledge: str = "committed", column_knowledge: Mapping[str, str] | None = None, retain: bool = False, bit: bool = False) -> str | None:
        """Fingerprint the rows of an Arrow table as the version of `dataset` that this step wrote (or read).

        Args:
            dataset: one of the step's datasets; any other counts as written.
            table: a `pyarrow.Table` or `RecordBatchReader` (which is read to its end).
            version: id of the version; default: the fingerprint's SHA-256, so equal rows are the same version.
            event_time: `{column, min, max}`, if rows have an event time; `{column}` of a `pyarrow.Table` is enough.
            knowledge: when a row could be known (`committed`, `column:<c>`, `eventTime+<duration>`).
            column_knowledge: the same of columns that could be known earlier than the row as a whole.
            retain: keep the rows in the artifact store (a `pyarrow.Table` of at most 64 MiB).
            bit: also take the digest of the values in their order (a `pyarrow.Table`), for rebuilds at level `bit`.

        Returns:
            The id, or None if the fingerprint could not be taken (said in the log).
        """
        with self._contained("fingerprint a dataset"):
            from ingest_hooks.fp1 import bit_digest, fingerprint

            target, schema = self._dataset(dataset), table.schema
            taken = fingerprint(table)
            said = {**taken.to_event(), **({"bit": bit_digest(table)} if bit else {})}
            name = version or taken.sha256
            hold = None
            if retain:
                from ingest_hooks.retention import retained_table

                hold = retained_table(table, target.name, self._producer.artifact)
            written = target in self._outputs or target not in self._inputs
            self._producer.dataset_version(namespace=target.namespace, name=target.name, id=name, row_count=taken.rows,
                                           event_time=_event_time(table, event_time), knowledge=knowledge, column_knowledge=column_knowledge,
                                           committed_at=datetime.now(UTC) if written else None, hold=hold,
                                           run_id=self.run_id if written else None, fingerprint=said)
            side = self._inputs[target] if target in self._inputs and target not in self._outputs else self._outputs.setdefault(target, _Side())
            side.facets["version"] = facets.dataset_version(name)
            if target in self._outputs:  # a reader's Arrow types say nothing new of a dataset that others declare
                side.facets["schema"] = facets.table_schema((column.name, str(column.type)) for column in schema)
                side.io_facets["outputStatistics"] = facets.output_statistics(taken.rows)
            return name
        return None

    # ---- inside

    def _describe_call(self, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any], returns: DatasetLike | None, retain: bool,
                       level: str, tolerance: float | None) -> dict[str, Any]:
        given = (*arguments, *named.values())
        for argument in given:
            if isinstance(argument, InputFile):
                self._pin_file(self._dataset(argument.dataset), Path(argument.path), retain)
            elif isinstance(argument, InputTable):
                self._inputs.setdefault(self._dataset(argument.dataset), _Side())
                self.version(argument.dataset, argument.table, retain=retain)
        main, name, contents = code_files(function)
        call: dict[str, Any] = {"file": main, "function": name,
                                "files": {path: self._producer.artifact(content) for path, content in sorted(contents.items())},
                                "arguments": [described(argument, self._dataset) for argument in arguments],
                                "named": {key: described(argument, self._dataset) for key, argument in sorted(named.items())}}
        if returns is not None:
            call["returns"] = list(self._dataset(returns))
        connection = next((argument.connection for argument in given if isinstance(argument, DuckDB)), None)
        parameters = {key: value["$json"] for key, value in (*((str(at), value) for at, value in enumerate(call["arguments"])), *call["named"].items())
                      if "$json" in value}
        return facets.lineproof("RebuildFacet", kind="python", call=call, parameters=parameters, level=level, tolerance=tolerance,
                                **({"engine": duckdb_engine(connection)} if connection is not None else {}), **environment_of(self._producer.artifact).facts())

    def _pin_file(self, dataset: Dataset, path: Path, retain: bool) -> None:
        version = self._producer.files_version(namespace=dataset.namespace, name=dataset.name, files={path.name: path}, retain=retain)
        side = self._inputs.setdefault(dataset, _Side())
        if version is not None:
            side.facets["version"] = facets.dataset_version(version)

    def _describe_code(self, source: SourceCode) -> None:
        digest = self._producer.artifact(source.text) or source.digest
        version = transformation_version(digest)
        place: dict[str, Any] = {}
        if source.file is not None:
            place = _place_in_git(source.file)
        self._producer.transformation(namespace=self.job.namespace, name=self.job.name, version=version, language=source.language, raw_code=digest, **place)
        urn = format_urn("transformation", self.job.namespace, self.job.name, version)
        self._job_facets["lineproof_transformation"] = facets.lineproof("TransformationFacet", urn=urn, **place)
        if "commit" in place:
            self._job_facets["sourceCodeLocation"] = facets.source_code_location(place["repository"], place["path"], place["commit"])

    def _known_tables(self) -> list[Dataset]:
        return [*self._outputs, *self._inputs]

    def _dataset(self, given: DatasetLike) -> Dataset:
        return Dataset(self._namespace, given) if isinstance(given, str) else Dataset(*given)

    def _emit(self, state: str) -> None:
        with self._contained("be told"):
            self._producer.openlineage({
                "eventType": state, "eventTime": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
                "producer": facets.PRODUCER, "schemaURL": facets.RUN_EVENT_SCHEMA,
                "run": {"runId": self.run_id, "facets": self._run_facets},
                "job": {"namespace": self.job.namespace, "name": self.job.name, "facets": self._job_facets},
                "inputs": [{"namespace": key.namespace, "name": key.name, "facets": side.facets, "inputFacets": side.io_facets}
                           for key, side in self._inputs.items()],
                "outputs": [{"namespace": key.namespace, "name": key.name, "facets": side.facets, "outputFacets": side.io_facets}
                            for key, side in self._outputs.items()],
            })

    @contextlib.contextmanager
    def _contained(self, what: str) -> Iterator[None]:
        """The hook boundary inside a step: whatever goes wrong in here stays in here."""
        try:
            yield
        except Exception as error:  # the hook boundary
            detail = error.detail if isinstance(error, LineproofError) else f"{type(error).__name__}: {error}"
            logger.warning("step %s could not %s: %s", self.job.name, what, detail)


def _event_time(table: Any, said: dict[str, Any] | None) -> dict[str, Any] | None:
    """With the smallest and largest event time, where the table still has its rows."""
    if said is None or set(said) != {"column"} or not hasattr(table, "column_names") or said["column"] not in table.column_names:
        return said
    import pyarrow
    from pyarrow import compute

    column = table.column(said["column"])
    if not pyarrow.types.is_timestamp(column.type):
        return said
    ends = compute.min_max(column.cast(pyarrow.timestamp("us", tz=column.type.tz), safe=False)).as_py()
    aware = {name: value if value.tzinfo else value.replace(tzinfo=UTC) for name, value in ends.items() if value is not None}
    return {**said, **aware}


def _place_in_git(file: Path) -> dict[str, Any]:
    """Repository, commit, path and dirty flag of a source file; empty if it is in no repository."""
    try:
        tree = GitRepository(file)
        path = tree.relative(file)
        if path is None:
            return {}
        return {"repository": tree.name, "commit": tree.head(), "path": path, "dirty": tree.is_dirty(file)}
    except LineproofError as error:
        logger.debug("no commit for %s: %s", file, error)
        return {}


def _uuid7() -> uuid.UUID:
    """RFC 9562, 5.7: Unix milliseconds, then random bits, so that run ids sort by time."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    return uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
