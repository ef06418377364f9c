"""What a manifest may hold before a machine acts on it, and what a run's `lineproof_rebuild` facet may hold before it gets into one.

Names come from producers: they become paths, arguments and SQL in the sandbox. So every one of them is checked here, on the side that
writes a manifest (which then says `invalid-recording`) and again on the side that runs one (`invalid-manifest`).
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from lineproof_schema.models.common import Sha256
from lineproof_schema.models.facets import RebuildFacet

__all__ = ["MAX_STEPS", "check_predicate", "checked_facet", "first_problem", "safe_name"]

MAX_STEPS: Final = 500  # runs in one manifest
MAX_FILES: Final = 1_000  # of one input or one call
MAX_NAME_BYTES: Final = 255  # what file systems take
_PLAIN: Final = re.compile(r"\w[\w.\- ]*")
_TEMPLATE: Final = re.compile(r"\{[{%#]")


def safe_name(text: str) -> str:
    """`text`, if it is one part of a path and nothing else.

    Raises:
        ValueError: a separator, a control character, `.`, `..`, nothing, or too long.
    """
    if text in ("", ".", "..") or "/" in text or "\\" in text or any(ord(letter) < 32 or letter == "\x7f" for letter in text):
        raise ValueError(f"{text[:200]!r} is no plain file name")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        raise ValueError(f"a name of more than {MAX_NAME_BYTES} bytes")
    return text


def _inside(text: str) -> str:
    """A relative path that stays where it is."""
    path = PurePosixPath(text)
    if path.is_absolute() or path.as_posix() != text:
        raise ValueError(f"{text[:200]!r} is no plain relative path")
    for part in path.parts:
        safe_name(part)
    return text


def _plain(text: str) -> str:
    """What dbt calls a node: no path, no option, nothing that its selection syntax reads."""
    if not _PLAIN.fullmatch(text):
        raise ValueError(f"{text[:200]!r} is no name of a dbt node")
    return safe_name(text)


def _literal(text: str) -> str:
    if _TEMPLATE.search(text) or "\0" in text:
        raise ValueError(f"{text[:200]!r} is no plain value")
    return text


FileName = Annotated[str, AfterValidator(safe_name)]
FilePath = Annotated[str, AfterValidator(_inside), StringConstraints(max_length=1_000)]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,199}$")]  # a package, a macro, a setting, a parameter of a function
Macro = Annotated[str, StringConstraints(pattern=r"^macro\.[A-Za-z_][A-Za-z0-9_]{0,199}\.[A-Za-z_][A-Za-z0-9_]{0,199}$")]
Interpreter = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,2}(\.[0-9]{1,3}){0,2}((a|b|rc)[0-9]{1,2})?\+?$")]
Value = Annotated[str, AfterValidator(_literal), StringConstraints(max_length=10_000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=8_192)]
Pair = tuple[Name, Name]
Files = Annotated[dict[FileName, Sha256], Field(max_length=MAX_FILES)]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class _Relation(_Shape):
    unique_id: Name
    resource_type: Literal["model", "seed", "snapshot", "source"]
    package: Word
    name: Name
    source_name: Name | None = None
    database: FileName | None = None
    schema_: Name | None = Field(default=None, alias="schema")
    identifier: Name

    @model_validator(mode="after")
    def _names(self) -> Self:
        if self.resource_type != "source":  # a source is only named in a properties file
            _plain(self.name)
        return self


class _Upstream(_Relation):
    code: Sha256 | None = None
    modules: dict[Macro, Sha256] = Field(default_factory=dict)
    parameters: dict[Name, Any] = Field(default_factory=dict)


class _Node(_Relation):
    root: Word
    language: Literal["sql", "python", "csv"] = "sql"
    upstream: tuple[_Upstream, ...] = ()
    columns: tuple[dict[str, Any], ...] = ()


class _Call(_Shape):
    file: FilePath
    function: Word
    files: Annotated[dict[FilePath, Sha256], Field(min_length=1, max_length=MAX_FILES)]
    arguments: tuple[dict[str, Any], ...]
    named: dict[Word, dict[str, Any]]
    returns: Pair | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.file not in self.files:
            raise ValueError(f"{self.file!r} is none of the files of the call")
        for argument in (*self.arguments, *self.named.values()):
            if len(argument) != 1 or not argument.keys() <= {"$json", "$duckdb", "$file", "$table"}:
                raise ValueError("an argument is one of $json, $duckdb, $file and $table")
            (kind, value), = argument.items()
            if kind == "$duckdb":
                safe_name(str(value) if isinstance(value, str) else "")
            elif kind in ("$file", "$table") and not (isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(part, str) for part in value)):
                raise ValueError(f"{kind} names a dataset by namespace and name")
        return self


class _Engine(_Shape):
    name: Literal["duckdb"]
    version: Annotated[str, StringConstraints(max_length=100)] | None = None
    settings: dict[Word, Value] = Field(default_factory=dict)


class _Code(_Shape):
    raw_code: Sha256
    config: Sha256 | None = None
    modules: dict[Name, Sha256] = Field(default_factory=dict)


class _Environment(_Shape):
    lockfile: Sha256
    lockfile_name: str | None = None
    python: Interpreter | None = None
    tools: dict[Name, str] = Field(default_factory=dict)


class _Fingerprint(_Shape):
    rows: Annotated[int, Field(ge=0)]
    sha256: Sha256
    columns: tuple[tuple[str, str], ...] = ()


class _Pointer(_Shape):
    files: Files | None = None


class _Retention(_Shape):
    state: Literal["retained", "held", "missing"]
    format: Literal["raw", "parquet", "arrow"] | None = None
    files: Files | None = None
    pointer: _Pointer | None = None


class _Output(_Shape):
    version: Name
    dataset: Pair
    fp1: _Fingerprint
    retention: _Retention | None = None

    @model_validator(mode="after")
    def _place(self) -> Self:
        _database(self.dataset)
        return self


class _Input(_Shape):
    version: Name
    dataset: Pair
    fp1: _Fingerprint | None = None
    retention: _Retention

    @model_validator(mode="after")
    def _place(self) -> Self:
        _database(self.dataset)
        return self


class _Read(_Shape):
    version: Name


class _Step(_Shape):
    kind: Literal["dbt", "python"]
    run: Name
    job: Pair
    code: _Code
    environment: _Environment
    engine: _Engine | None = None
    parameters: dict[Name, Any] = Field(default_factory=dict)
    node: _Node | None = None
    call: _Call | None = None
    level: Literal["bit", "row-set", "tolerance", "schema"] = "row-set"
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    inputs: tuple[_Read, ...]
    outputs: Annotated[tuple[_Output, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _kind(self) -> Self:
        if self.kind == "dbt":
            if self.node is None or self.node.database is None or self.code.config is None:
                raise ValueError("a dbt step has a node in a database, and a configuration")
            for name in self.code.modules:
                if not re.fullmatch(r"macro\.\w+\.\w+", name):
                    raise ValueError(f"{name[:200]!r} is no macro")
        elif self.call is None:
            raise ValueError("a Python step has a call")
        elif self.call.returns is not None and self.call.returns not in [output.dataset for output in self.outputs]:
            raise ValueError("what the call returns is none of the outputs")
        return self


class _Predicate(_Shape):
    steps: Annotated[tuple[_Step, ...], Field(max_length=MAX_STEPS)]
    inputs: Annotated[tuple[_Input, ...], Field(max_length=20 * MAX_STEPS)]


def check_predicate(predicate: Mapping[str, Any]) -> None:
    """Whether steps and inputs hold nothing that a machine should not act on.

    Raises:
        ValidationError: they do.
    """
    _Predicate.model_validate(predicate)


def checked_facet(facet: Mapping[str, Any]) -> str | None:
    """What is wrong with a recorded `lineproof_rebuild` facet; None if nothing is."""
    try:
        read = RebuildFacet.model_validate(facet)
        if read.node is not None:
            _Node.model_validate(read.node)
        if read.call is not None:
            _Call.model_validate(read.call)
        if read.engine is not None:
            _Engine.model_validate(facet["engine"])
    except ValidationError as error:
        return first_problem(error)
    return None


def first_problem(error: ValidationError) -> str:
    """The first error: where, and what."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(str(part)[:100] for part in found['loc'])}: {found['msg']}"[:500]


def _database(dataset: Pair) -> None:
    """A DuckDB dataset's name begins with the name of its database, which becomes a file."""
    namespace, name = dataset
    if namespace.startswith("duckdb://"):
        safe_name(name.split(".", 1)[0])
