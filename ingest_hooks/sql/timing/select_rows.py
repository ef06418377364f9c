"""One SELECT evaluated on symbols: its groups, and what each of its columns is made of."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from ingest_hooks.sql.timing.bounds import Fact, Op, Part
from ingest_hooks.sql.timing.groups import Groups
from ingest_hooks.sql.timing.picked import with_deciding
from ingest_hooks.sql.timing.rows import Cell, Environment, Rows, RowsOf
from ingest_hooks.sql.timing.times import Term, frame_bound, term

__all__ = ["select_rows"]

_COMPOSITE: Final = (exp.Case, exp.If, exp.Greatest, exp.Least, exp.Coalesce, exp.Query, exp.Exists)
_NUMBER: Final = Cell()  # a number is made of no rows
NEVER = 2200  # a year from which on a time is written for "never"


def select_rows(rows_of: RowsOf, scope: Scope, query: exp.Select, around: Environment) -> Rows:
    """The rows of a SELECT."""
    return _Select(rows_of, scope, query, around).rows()


class _Select(Groups):
    def rows(self) -> Rows:
        self._join()
        deciding = self._deciding_before()
        where = self.query.args.get("where")
        if isinstance(where, exp.Where):
            self.facts += self.conjuncts(where.this)
            self._decides(where.this, of_all=True)
        joined = frozenset().union(*(rows.places for rows in self.sources.values()))
        counted = self._counted()
        if self._is_grouped():
            deciding |= self._group()
            counted = self.rows_of.gathered(counted, self.facts, self.visible)
            having = self.query.args.get("having")
            if isinstance(having, exp.Having):
                self.facts += self.conjuncts(having.this)
        cells: dict[str, Cell] = {}
        for number, item in enumerate(self.query.selects):
            cells.setdefault(item.alias_or_name or f"_col_{number}", self._star() if item.is_star else self.value(item))
        deciding |= self._deciding_latest()
        cells = {name: with_deciding(cell, deciding) for name, cell in cells.items()}
        qualify = self.query.args.get("qualify")
        if isinstance(qualify, exp.Qualify):
            self.facts += self.conjuncts(qualify.this)
        chosen = frozenset(part for _, part in self.chosen if part.instance not in {each.instance for each in counted})
        facts = self.facts
        if self.keys is not None:
            kept = {symbol for symbol, _, _ in self.visible} | set(self.maxima.values()) | set(self.rows_of.moments.values())
            facts = [fact for fact in facts if fact.low in kept and fact.high in kept]
            chosen = self.rows_of.gathered(chosen, self.facts, self.visible)
        return Rows(cells, facts, joined, counted, chosen)

    # ---- values

    def _star(self) -> Cell:
        return Cell(reasons=frozenset({"star-unresolved"}))

    def value(self, node: exp.Expr) -> Cell:
        """What an expression of the select list is made of."""
        node = node.unalias().unnest()
        if isinstance(node, exp.Literal) and not node.is_string:
            return _NUMBER
        if self.keys is None and isinstance(node, exp.Column):
            return self.cell(node)
        if self.keys is not None and node.sql() in self.keys:
            return self.keys[node.sql()]
        node = self.over_keys(node)
        if isinstance(node, exp.Window):
            return self._window(node)
        if isinstance(node, exp.Filter) or (isinstance(node, exp.AggFunc) and not isinstance(node, exp.Lag | exp.Lead)):
            return self._aggregate(node)
        if isinstance(node, exp.Column):
            cell = self.cell(node)
            if self.keys is None or any(cell.symbol == key.symbol for key in self.keys.values() if cell.symbol is not None):
                return cell
            return Cell(None, self.rows_of.gathered(cell.parts, self.facts, self.visible), cell.reasons)
        if isinstance(node, _COMPOSITE):
            key = (id(node), self.keys is None)
            if key not in self.known:  # conditions and bounds ask for their sides more than once, and these hold others of their kind
                self.known[key] = self._composite(node)
            return self.known[key]
        found = term(node, self._grid)
        return self._shifted(node, found) if found.core is not node else self._merged(node)

    def _composite(self, node: exp.Expr) -> Cell:
        if isinstance(node, exp.Case | exp.If):
            return self._case(node)
        if isinstance(node, exp.Greatest | exp.Least):
            return self._extreme(node)
        return self._coalesce(node) if isinstance(node, exp.Coalesce) else self._subquery(node)

    def _merged(self, node: exp.Expr) -> Cell:
        cells = [self.value(child) for child in node.iter_expressions() if not isinstance(child, exp.Identifier | exp.DataType)]
        return Cell(None, frozenset().union(*(cell.parts for cell in cells)), frozenset().union(*(cell.reasons for cell in cells)))

    def _shifted(self, node: exp.Expr, found: Term) -> Cell:
        whole = self._merged(node)
        symbol, facts = self.defined(found)
        if facts and symbol is not None:
            self._told(symbol, facts)
        return Cell(symbol, whole.parts, whole.reasons)

    def _told(self, symbol: int, facts: list[Fact]) -> None:
        """A symbol of this row and how it stands to others."""
        self.facts += facts
        if self.keys is not None:
            self.visible.append((symbol, "=", symbol))

    def _extreme(self, node: exp.Greatest | exp.Least) -> Cell:
        whole = self._merged(node)
        symbol = self.rows_of.symbol()
        facts = []
        for item in (node.this, *node.expressions):
            other, more = self.defined(term(item, self._grid))
            if other is not None:
                facts += [*more, Fact(other, "<=", symbol) if isinstance(node, exp.Greatest) else Fact(symbol, "<=", other)]
        self._told(symbol, facts)
        return Cell(symbol, whole.parts, whole.reasons)

    def _coalesce(self, node: exp.Coalesce) -> Cell:
        """The first that is there. `JOIN … USING (t)` selects coalesce(left.t, right.t), which is left.t where both are equal."""
        cells = [self.value(item) for item in (node.this, *node.expressions)]
        whole = Cell(None, frozenset().union(*(cell.parts for cell in cells)), frozenset().union(*(cell.reasons for cell in cells)))
        first = cells[0]
        if first.symbol is None:
            return whole
        alike = all(cell.symbol is not None for cell in cells)
        if alike:
            equal = {(fact.low, fact.high) for fact in self.facts if fact.op == "=" and fact.seconds == 0}
            alike = all((first.symbol, other.symbol) in equal or (other.symbol, first.symbol) in equal for other in cells[1:])
        if alike and not any(part.instance in places for part in first.parts for places, _ in self.optional):
            return first
        symbol = self.rows_of.symbol()
        if alike:  # whichever is there, it is what the others would be
            facts = [Fact(symbol, "=", cell.symbol).within(self.relation(cell)) for cell in cells if cell.symbol is not None]
        elif all(_never(item) for item in node.expressions):
            facts = [Fact(symbol, "=", first.symbol)]
        else:  # it bounds the first only where that is there; and is at most what it would be
            facts = [Fact(symbol, "<=", first.symbol), Fact(first.symbol, "<=", symbol, None)]
        self._told(symbol, facts)
        return Cell(symbol, whole.parts, whole.reasons)

    def _aggregate(self, node: exp.Expr) -> Cell:
        if node.sql() in self.maxima and self.keys is not None:
            symbol: int | None = self.maxima[node.sql()]
        else:
            symbol = None
        grouped, self.keys = self.keys, None  # its arguments are columns of the rows, not of the group
        try:
            function, facts, guarded = node, frozenset[Fact](), Cell()
            if isinstance(node, exp.Filter):
                function = node.this
                facts = frozenset(self.conjuncts(node.expression.this))
                guarded = self.condition(node.expression.this)
            found = self._merged(function)
            parts = found.parts or self._rows_counted(grouped or {})
            parts = frozenset(replace(self._with_decided(part), facts=part.facts | facts) for part in (*parts, *guarded.parts))
            parts |= self._choosing(frozenset(part.instance for cell in (grouped or {}).values() for part in cell.parts))
            reasons = found.reasons | guarded.reasons
        finally:
            self.keys = grouped
        return Cell(symbol, self.rows_of.gathered(parts, self.facts, self.visible), reasons | (frozenset() if found.parts else self._opaque()))

    def _rows_counted(self, keys: Mapping[str, Cell]) -> frozenset[Part]:
        """The rows that `count(*)` counts: those joined to what the groups are made by, unless there is nothing else."""
        counted = self._counted()
        by_key = {part.instance for cell in keys.values() for part in cell.parts}
        return frozenset(part for part in counted if part.instance not in by_key) or counted

    def _window(self, node: exp.Window) -> Cell:
        shape = self.windows.get(node.alias, node) if node.alias else node
        partition = [self.value(key) for each in dict.fromkeys((node, shape)) for key in each.args.get("partition_by") or ()]
        visible: list[tuple[int, Op, int]] = [(cell.symbol, "=", cell.symbol) for cell in partition if cell.symbol is not None]
        bound = frame_bound(node, shape)
        facts = list(self.facts)
        if bound is not None:
            key, op, seconds = bound
            inner, more = self.defined(term(key, self._grid))
            if inner is not None:
                self.facts += more
                facts += more
                edge = inner
                if seconds:
                    edge = self.rows_of.symbol()
                    self.facts.append(Fact(edge, "=", inner, seconds))
                visible.append((inner, op, edge))
        if self.keys is not None:
            facts += [fact for fact in self.facts if fact not in facts]
        facts_outside = self.visible if self.keys is not None else []
        function = node.this.this if isinstance(node.this, exp.IgnoreNulls | exp.RespectNulls) else node.this
        found = self._within_window(function)
        parts = found.parts
        if not parts:
            counted = self._counted()
            parts = self.rows_of.gathered(counted, self.facts, facts_outside) if self.keys is not None else counted
        if self.keys is None:
            parts |= self._choosing(frozenset(part.instance for cell in partition for part in cell.parts))
        reasons = found.reasons.union(*(cell.reasons for cell in partition))
        return Cell(None, self.rows_of.gathered(parts, facts, visible), reasons | (frozenset() if found.parts else self._opaque()))

    def _opaque(self) -> frozenset[str]:
        """Why the rows that are counted may not be all there are."""
        return frozenset().union(*(rows.reasons for rows in self.sources.values()))

    def _within_window(self, function: exp.Expr) -> Cell:
        """What a window function reads of each row (of each group, if the query is grouped)."""
        if self.keys is not None:
            return self._merged(function)
        if isinstance(function, exp.Filter):
            facts = frozenset(self.conjuncts(function.expression.this))
            guarded, found = self.condition(function.expression.this), self._merged(function.this)
            parts = frozenset(replace(part, facts=part.facts | facts) for part in (*(found.parts or self._counted()), *guarded.parts))
            return Cell(None, parts, found.reasons | guarded.reasons)
        return self._merged(function)

    def _case(self, node: exp.Case | exp.If) -> Cell:
        chosen: list[Cell] = []
        conditions: list[tuple[Cell, frozenset[Fact]]] = []
        before: list[Fact] = []  # holds if none of the conditions so far was true; or if times are missing, so it is no proof
        for branch in node.args.get("ifs") or [node]:
            simple = isinstance(node, exp.If) or node.this is None
            test = branch.this if simple else exp.EQ(this=node.this, expression=branch.this)
            facts = frozenset(self.conjuncts(test)) if simple else frozenset[Fact]()
            conditions.append((self.condition(test), facts))
            chosen.append(_under(self.value(branch.args["true"]), facts | frozenset(before)))
            before += [replace(fact, seconds=None, plain=False) for fact in (self.conjuncts(test, False) if simple else ())]
        otherwise = node.args.get("default") or node.args.get("false")
        chosen.append(_under(self.value(otherwise), frozenset(before)) if isinstance(otherwise, exp.Expr) else Cell())
        alone = len(conditions) == 1 and not chosen[-1].parts  # nothing but a constant where the condition does not hold
        cells = [*chosen, *(_under(cell, facts if alone else frozenset()) for cell, facts in conditions)]
        return Cell(None, frozenset().union(*(cell.parts for cell in cells)), frozenset().union(*(cell.reasons for cell in cells)))

    def _subquery(self, node: exp.Expr) -> Cell:
        query = node.this if isinstance(node, exp.Exists) else node
        inner = self.subqueries.get(id(query))
        if inner is None:
            inner = next((scope for key, scope in self.subqueries.items() if key == id(query.unnest())), None)
        if inner is None:
            return Cell(reasons=frozenset({"subquery"}))
        rows = self.rows_of.of(inner, self.environment)
        self.facts += [fact.within(rows.places) for fact in rows.facts]
        if isinstance(node, exp.Exists):
            return Cell(None, rows.counted | rows.chosen, rows.reasons)
        first = next(iter(rows.cells.values()), Cell(reasons=rows.reasons))
        return Cell(None, first.parts | rows.chosen, first.reasons)


def _never(node: exp.Expr) -> bool:
    """Whether a constant time lies beyond all that is asked about, so that what is missing counts as never."""
    node = node.unnest()
    text = node.this.name if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) else node.name if isinstance(node, exp.Literal) else ""
    return text[:4].isdigit() and int(text[:4]) >= NEVER


def _under(cell: Cell, facts: frozenset[Fact]) -> Cell:
    return Cell(None, frozenset(replace(part, facts=part.facts | facts) for part in cell.parts), cell.reasons) if facts else cell
