"""Temporary tables and views of a script: they are not there for others, so those who read them read what these were made of."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlglot import exp

from ingest_hooks.sql.reduced import Reduced

__all__ = ["Own"]


@dataclass(frozen=True, slots=True)
class _Version:
    """A temporary table as it stands between two statements; `needs` are the versions its queries read."""

    name: str
    made_by: Reduced
    queries: tuple[exp.Query, ...]
    needs: frozenset[int]


@dataclass(slots=True)
class Own:
    """The temporary tables of a script so far; statements are to be shown to it in order."""

    _versions: list[_Version] = field(default_factory=list)
    _current: dict[str, int] = field(default_factory=dict)  # case-folded name -> its version
    _needs: dict[int, set[int]] = field(default_factory=dict)  # id of a query -> the versions it reads

    def take(self, statement: Reduced) -> bool:
        """Note what a statement reads of them; True if all it does is to fill one."""
        needs = self._bind(statement.reads)
        if statement.target is None:
            return False
        name = statement.target.name.casefold()
        known = self._current.get(name)
        if known is None and not statement.temporary:
            return False
        before = self._versions[known] if known is not None and not statement.temporary else None
        if before is None:
            version = _Version(statement.target.name, statement, statement.queries, frozenset(needs))
        else:
            made_by = before.made_by if before.made_by.columns or not statement.columns else statement
            version = _Version(before.name, made_by, (*before.queries, *statement.queries), before.needs | needs)
        self._current[name] = len(self._versions)
        self._versions.append(version)
        return True

    def called(self, name: str) -> list[Reduced]:
        """The statement that made the temporary table of this name."""
        at = self._current.get(name)
        return [self._versions[at].made_by] if at is not None else []

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
        union: exp.Query = version.queries[0].copy()
        for more in version.queries[1:]:
            union = exp.Union(this=union, expression=more.copy(), distinct=False)
        columns = [exp.to_identifier(each) for each in version.made_by.columns]
        return exp.CTE(this=union, alias=exp.TableAlias(this=_name(at), columns=columns))

    def _bind(self, queries: Iterable[exp.Query]) -> set[int]:
        """Let tables that are temporary ones mean their version of now."""
        found: set[int] = set()
        for query in queries if self._current else ():
            hidden = {cte.alias.casefold() for cte in query.find_all(exp.CTE)}
            needs = self._needs.setdefault(id(query), set())
            for table in query.find_all(exp.Table):
                at = self._current.get(table.name.casefold())
                if at is None or not self._versions[at].queries or (not table.db and table.name.casefold() in hidden):
                    continue
                if not table.alias:
                    table.set("alias", exp.TableAlias(this=table.this.copy()))
                table.set("this", _name(at))
                table.set("db", None)
                table.set("catalog", None)
                needs.add(at)
            found |= needs
        return found


def _name(at: int) -> exp.Identifier:
    return exp.to_identifier(f"_own{at}", quoted=True)
