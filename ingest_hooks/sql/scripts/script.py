"""From a text to statements: scripts, blocks, the bodies of procedures; and tables that a script makes only for itself.

Each statement is parsed on its own, so that one that cannot be read does not hide the others. Positions stay those of the whole text.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sqlglot import Dialect, exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token

from ingest_hooks.sql.columns.tables import SchemaIndex
from ingest_hooks.sql.forms.from_clause import columns_taken_apart
from ingest_hooks.sql.forms.reduced import Reduced, named, table_name
from ingest_hooks.sql.forms.statement import reduce_statement, renames
from ingest_hooks.sql.model import Status
from ingest_hooks.sql.scripts.blocks import blanked, read_parts
from ingest_hooks.sql.scripts.home import Home
from ingest_hooks.sql.scripts.kept_in_variables import only_assigns, plain_tables
from ingest_hooks.sql.scripts.own_tables import Own
from ingest_hooks.sql.scripts.parsing import parse_statement
from ingest_hooks.sql.scripts.unseparated import parse_unseparated

__all__ = ["Script", "choose", "read_script"]

# what says nothing about columns of other tables
_HARMLESS: Final = (exp.Set, exp.Declare, exp.Drop, exp.TruncateTable, exp.Commit, exp.Rollback, exp.Transaction, exp.Use, exp.Comment, exp.Analyze, exp.Grant,
                    exp.Alter, exp.Describe, exp.Show, exp.Pragma, exp.Attach, exp.Detach, exp.Install, exp.Refresh, exp.Uncache)
_HARMLESS_COMMANDS: Final = frozenset({"set", "begin", "start", "end", "vacuum", "analyze", "grant", "revoke", "comment", "use", "refresh", "optimize", "lock",
                                       "return", "alter", "call", "load", "lock tables", "msck repair", "print", "unlock tables"})


@dataclass(slots=True)
class Script:
    """The statements of a text, reduced. `routine`: it is the body of something that only runs when it is called."""

    statements: list[Reduced] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    tokens: Sequence[Token] = ()
    routine: bool = False
    variables: frozenset[str] = frozenset()  # case-folded names of parameters and variables


def read_script(sql: str, tool: Dialect) -> Script:
    """Read all statements.

    Raises:
        SqlglotError, ValueError, RecursionError: there is only one, and it cannot be read.
    """
    text = read_parts(sql, tool)
    sql, parts, routine = text.sql, text.statements, text.routine
    script = Script(tokens=text.tokens, routine=routine, variables=text.variables)
    home = Home(tool)
    for part in parts:
        try:
            parsed, guessed = _parsed(part, sql, tool)
        except (SqlglotError, ValueError, RecursionError) as error:
            if len(parts) == 1:
                raise
            script.reasons.append(f"not-parsed:{(str(error).splitlines() or [''])[0][:80]}")
            continue
        for statement in map(plain_tables, parsed):
            if only_assigns(statement) and len(parts) > 1:
                continue
            script.variables |= _parameters_of(statement)
            home.moves(statement, [token.text for token in part])
            home.name(statement)
            if tool.parser_class.SUPPORTS_IMPLICIT_UNNEST:
                columns_taken_apart(statement)
            if not _is_harmless(statement) or len(parts) == 1:
                script.statements += [_as_guessed(each) if guessed else each for each in reduce_statement(statement)
                                      if not _fills_variable(each, script.variables)]
            elif isinstance(statement, exp.Alter):
                _rename(script, renames(statement))
            elif isinstance(statement, exp.Drop):
                _drop(script, statement)
            elif isinstance(statement, exp.TruncateTable):
                script.statements += reduce_statement(statement)
    return script


def _parsed(part: Sequence[Token], sql: str, tool: Dialect) -> tuple[list[exp.Expr], bool]:
    """The statements of the tokens of one, and whether they had to be read without regard to the dialect, which does not know them."""
    try:
        return parse_unseparated(part, sql, tool), False
    except (SqlglotError, ValueError):
        generic, alone = Dialect(), blanked(sql, part[0].start, part[-1].end + 1)
        if type(tool) is Dialect:
            raise
        try:
            parsed = parse_statement(generic.tokenize(alone), alone, generic)
        except (SqlglotError, ValueError):
            parsed = []
        if not parsed or any(isinstance(each, exp.Command) for each in parsed):
            raise
        return parsed, True


def _as_guessed(found: Reduced) -> Reduced:
    return replace(found, status="partial" if found.status == "complete" else found.status,
                   reason="generic-dialect" if found.status == "complete" else ";".join(filter(None, (found.reason, "generic-dialect"))))


def _rename(script: Script, pairs: Sequence[tuple[exp.Table, exp.Table]]) -> None:
    """What was written under the old name is there under the new one."""
    script.statements = [next((replace(each, target=new.copy()) for old, new in pairs if _writes(each, old)), each) for each in script.statements]


def _drop(script: Script, statement: exp.Drop) -> None:
    """A table that the script has made and drops again is there for nobody else."""
    for table in statement.args.get("tables") or ():
        at = next((number for number, each in reversed(list(enumerate(script.statements))) if each.creates and _writes(each, table)), None)
        if at is not None:
            script.statements[at] = replace(script.statements[at], temporary=True)


def _writes(statement: Reduced, table: exp.Expr) -> bool:
    return statement.target is not None and statement.target.name.casefold() == table.name.casefold()


def _fills_variable(statement: Reduced, variables: frozenset[str]) -> bool:
    """Whether it is a SELECT INTO of a block, which keeps what it finds in variables."""
    return statement.kind == "select into" and statement.target is not None and statement.target.name.casefold() in variables


def _is_harmless(statement: exp.Expr) -> bool:
    if isinstance(statement, exp.Command):
        return str(statement.this).lower() in _HARMLESS_COMMANDS
    return isinstance(statement, _HARMLESS)


def _parameters_of(statement: exp.Expr) -> frozenset[str]:
    function = statement.this if isinstance(statement, exp.Create) else None
    return frozenset(each.name.casefold() for each in function.expressions) if isinstance(function, exp.UserDefinedFunction) else frozenset()


# -- which of the statements

def choose(script: Script, output: str | None, index: SchemaIndex, unshared: frozenset[str] = frozenset()) -> tuple[Reduced, dict[str, list[str]]]:
    """The statement that writes `output`, else the last one that writes a table, else the last query; with what the script makes for itself put in.

    Returns it with the columns of the other tables that the script makes, where they are known. Tables that are `unshared` (case-folded) are as temporary
    as those that say so.
    """
    if len(script.statements) == 1 and not script.reasons:
        only = script.statements[0]
        only = replace(only, target=None) if only.reason == "routine" else only  # a function of rows is no table
        return (_as_routine(only) if script.routine else only), {}
    made: dict[str, list[str]] = {}

    def columns_of(table: exp.Table) -> Sequence[str]:
        name = table_name(table)
        known = next((columns for each, columns in made.items() if each.casefold() == name.casefold()), None)
        key = index.find(name)
        return known or (list(index.columns(key)) if key is not None else ())

    own = Own(columns_of)
    written: list[Reduced] = []
    for each in script.statements:
        statement = replace(each, columns=tuple(columns_of(each.like))) if each.like is not None and not each.columns else each
        if statement.creates and statement.target is not None and table_name(statement.target).casefold() in unshared:
            statement = replace(statement, temporary=True)
        if statement.kind == "truncate":
            own.empty(statement)
            continue
        if own.take(statement):
            script.reasons += ["copy"] if statement.reason == "copy" else []  # the columns of a file are not known
            continue
        written.append(statement)
        names = list(statement.columns or own.names(statement.queries[:1]))
        if statement.target is not None and names and statement.creates:
            made[table_name(statement.target)] = names
    wanted = (output or "").casefold().split(".")[-1]
    targets = [each for each in written if each.target is not None and each.kind not in ("delete",)]
    fits = [each for each in targets if each.target is not None and each.target.name.casefold() == wanted]
    if not fits and output is not None:
        fits = own.called(wanted)
    if not fits:
        fits = [each for each in targets if targets and _same_target(each, targets[-1])]
    queries = [each for each in written if each.queries or each.assigned]
    found = _together(fits) if fits else (queries or written or script.statements or [Reduced("", status="unknown", reason="empty")])[-1]
    others = {table_name(each.target).casefold() for each in targets if each.target is not None and not any(_same_target(each, fit) for fit in fits)}
    reasons = [*script.reasons, *(["several-outputs"] if others and output is None else []),
               *(each.reason for each in written if (each.status == "unknown" or each.reason == "routine") and each.reason and each is not found
                 and each.reason != "no-query")]
    if reasons:
        told = dict.fromkeys([*([found.reason] if found.reason else []), *reasons])
        found = replace(found, status="partial" if found.status == "complete" else found.status, reason=";".join(told))
    own.fill_in(found)
    return (_as_routine(found) if script.routine else found), made


def _as_routine(found: Reduced) -> Reduced:
    if found.status == "unknown":
        return replace(found, reason=f"routine;{found.reason}" if found.reason and found.reason != "routine" else "routine")
    return replace(found, status="partial", reason="routine")


def _same_target(one: Reduced, other: Reduced) -> bool:
    return other.target is not None and _writes(one, other.target)


def _together(writers: Sequence[Reduced]) -> Reduced:
    """Several statements that write one table: what any of them writes into a column."""
    filled = [each for each in writers if each.reads and each.reason != "no-query"]
    if len(filled) < 2:
        return (filled or list(writers))[-1]
    columns = next((each.columns for each in filled if each.columns), ())
    if any(each.columns not in ((), columns) for each in filled):  # each names its own
        filled = [replace(each, queries=(), assigned=(*(named(query, each.columns) for query in each.queries), *each.assigned)) if each.columns else each
                  for each in filled]
        columns = ()
    reasons = ";".join(dict.fromkeys(each.reason for each in filled if each.reason and each.status != "complete"))
    status: Status = "partial" if any(each.status != "complete" for each in filled) else "complete"
    return Reduced(filled[-1].kind, tuple(query for each in filled for query in each.queries), filled[-1].target, columns, status, reasons or None,
                   tuple(query for each in filled for query in each.assigned), tuple(query for each in filled for query in each.deciding),
                   filled[-1].by_name)
