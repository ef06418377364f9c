"""Temporary tables and views of a script: they are not there for others, so those who read them read what these were made of."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from ingest_hooks.sql.forms.reduced import Reduced, named
from ingest_hooks.sql.scripts.output_names import ColumnsOf, output_names

__all__ = ["Own"]


@dataclass(frozen=True, slots=True)
class _Version:
    """A temporary table as it stands behind a statement that makes or changes it; `before` is what it was, `needs` are the versions its queries read."""

    statement: Reduced
    before: int | None
    needs: frozenset[int]
    columns: tuple[str, ...]  # empty if they are not known

    @property
    def is_blank(self) -> bool:
        """Whether it has no row yet, of columns nobody knows."""
        return self.before is None and not self.statement.queries and not self.columns


@dataclass(slots=True)
class Own:
    """The temporary tables of a script so far; statements are to be shown to it in order."""

    columns_of: ColumnsOf  # what is known of other tables
    _versions: list[_Version] = field(default_factory=list)
    _current: dict[str, int] = field(default_factory=dict)  # case-folded name -> its version
    _needs: dict[int, set[int]] = field(default_factory=dict)  # id of a query -> the versions it reads

    def take(self, statement: Reduced) -> bool:
        """Note what a statement reads of them; True if all it does is to make or change one."""
        needs = self._bind(statement.reads)
        if statement.target is None:
            return False
        name = statement.target.name.casefold()
        if statement.creates and not statement.temporary:
            self._current.pop(name, None)  # one that stays, of the name of one that was dropped
        before = None if statement.temporary else self._current.get(name)
        if before is None and not statement.temporary:
            return False
        if before is not None and self._versions[before].is_blank:
            before = None
        known = self._versions[before].columns if before is not None else ()
        if before is None:
            columns = statement.columns or self.names(statement.queries)
        else:
            needs |= {before}
            columns = (*known, *(each for each in self.names(statement.assigned) if each not in known)) if known else ()
        self._current[name] = len(self._versions)
        self._versions.append(_Version(statement, before, frozenset(needs), columns))
        return True

    def empty(self, statement: Reduced) -> None:
        """A temporary table that is truncated has its columns still, and no row."""
        name = statement.target.name.casefold() if statement.target is not None else ""
        at = self._current.get(name)
        if at is not None:
            self._current[name] = len(self._versions)
            self._versions.append(_Version(statement, None, frozenset(), self._versions[at].columns))

    def names(self, queries: Sequence[exp.Query]) -> tuple[str, ...]:
        """The outputs of queries in order; none if some are not known."""
        listed = [output_names(query, self._columns_of) for query in queries]
        return tuple(dict.fromkeys(name for names in listed for name in names)) if all(listed) else ()

    def _columns_of(self, table: exp.Table) -> Sequence[str]:
        at = next((number for number in range(len(self._versions)) if table.name == _name(number).name), None)
        return self._versions[at].columns if at is not None else self.columns_of(table)

    def called(self, name: str) -> list[Reduced]:
        """The statement that made the temporary table of this name."""
        at = self._current.get(name)
        while at is not None and (before := self._versions[at].before) is not None:
            at = before
        return [self._versions[at].statement] if at is not None else []

    def fill_in(self, statement: Reduced) -> None:
        """Put what a statement reads of them into its queries, as common table expressions: each once, in order."""
        for query in statement.reads:
            needed = set(self._needs.get(id(query), ()))
            for at in range(len(self._versions) - 1, -1, -1):
                if at in needed:
                    needed |= self._versions[at].needs
            ctes = [self._cte(at) for at in sorted(needed)]
            if ctes:
                known = query.args.get("with_")
                query.set("with_", exp.With(expressions=[*ctes, *(known.expressions if known is not None else ())],
                                            recursive=bool(known is not None and known.args.get("recursive"))))

    def _cte(self, at: int) -> exp.CTE:
        version = self._versions[at]
        statement = version.statement
        names = version.columns if version.before is None else ()
        queries = [query.copy() for query in statement.queries]
        if version.before is None:
            if not queries:  # no row yet
                queries, names = [exp.select(*(exp.alias_(exp.null(), name) for name in names))], ()
            union = _union(queries, by_name=False)
        else:
            known = statement.columns or self._versions[version.before].columns
            changed = [*((named(query, known) for query in queries) if known else queries), *(query.copy() for query in statement.assigned)]
            changed += [_with_items(query, exp.Star() if statement.kind == "copy" else exp.alias_(exp.null(), known[0]))
                        for query in statement.deciding if known]  # a file that is read, or what decides which of its rows go
            union = _union([exp.select("*").from_(exp.Table(this=_name(version.before)), copy=False), *changed], by_name=bool(known or not queries))
        return exp.CTE(this=union, alias=exp.TableAlias(this=_name(at), columns=[exp.to_identifier(each) for each in names]))

    def _bind(self, queries: Iterable[exp.Query]) -> set[int]:
        """Let tables that are temporary ones mean their version of now."""
        found: set[int] = set()
        for query in queries if self._current else ():
            hidden = {cte.alias.casefold() for cte in query.find_all(exp.CTE)}
            needs = self._needs.setdefault(id(query), set())
            for table in query.find_all(exp.Table):
                name = table.this.name if isinstance(table.this, exp.Anonymous) else table.name  # a function of rows is called
                at = self._current.get(name.casefold())
                if at is None or (not table.db and name.casefold() in hidden) or self._versions[at].is_blank:
                    continue
                if not table.alias:
                    table.set("alias", exp.TableAlias(this=exp.to_identifier(name) if name != table.name else table.this.copy()))
                table.set("this", _name(at))
                table.set("db", None)
                table.set("catalog", None)
                needs.add(at)
            found |= needs
        return found


def _with_items(query: exp.Query, item: exp.Expr) -> exp.Query:
    other = query.copy()
    other.set("expressions", [item])
    return other


def _union(queries: Sequence[exp.Query], *, by_name: bool) -> exp.Query:
    union = queries[0]
    for more in queries[1:]:
        union = exp.Union(this=union, expression=more, distinct=False, by_name=by_name)
    return union


def _name(at: int) -> exp.Identifier:
    return exp.to_identifier(f"_own{at}", quoted=True)
