"""One SELECT evaluated on symbols: its groups, and what each of its columns is made of."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from ingest_hooks.sql.bounds import Fact, Op, Part
from ingest_hooks.sql.joined import Joined
from ingest_hooks.sql.rows import Cell, Environment, Rows, RowsOf
from ingest_hooks.sql.times import frame_bound, unwrapped

__all__ = ["select_rows"]


def select_rows(rows_of: RowsOf, scope: Scope, query: exp.Select, around: Environment) -> Rows:
    """The rows of a SELECT."""
    return _Select(rows_of, scope, query, around).rows()


class _Select(Joined):
    def rows(self) -> Rows:
        self._join()
        where = self.query.args.get("where")
        if isinstance(where, exp.Where):
            self.facts += self._conjuncts(where.this)
            self._decides(where)
        joined = frozenset().union(*(rows.places for rows in self.sources.values()))
        counted = self._counted()
        if self._is_grouped():
            self._group()
            counted = self.rows_of.gathered(counted, self.facts, self.visible)
        cells: dict[str, Cell] = {}
        for number, item in enumerate(self.query.selects):
            cells.setdefault(item.alias_or_name or f"_col_{number}", self._star() if item.is_star else self.value(item))
        qualify = self.query.args.get("qualify")
        if isinstance(qualify, exp.Qualify):
            self.facts += self._conjuncts(qualify.this)
        facts = self.facts
        if self.keys is not None:
            kept = {symbol for symbol, _, _ in self.visible} | set(self.maxima.values())
            facts = [fact for fact in facts if fact.low in kept and fact.high in kept]
        return Rows(cells, facts, joined, counted)

    # ---- groups

    def _is_grouped(self) -> bool:
        group = self.query.args.get("group")
        if isinstance(group, exp.Group) and (group.expressions or group.args.get("all")):
            return True
        return any(_aggregates(item) for item in self.query.selects) or self.query.args.get("having") is not None

    def _group(self) -> None:
        group = self.query.args.get("group")
        written: list[exp.Expr] = []
        if isinstance(group, exp.Group):
            written = [item.unalias() for item in self.query.selects if not _aggregates(item)] if group.args.get("all") else list(group.expressions)
            if any(group.args.get(each) for each in ("cube", "rollup", "grouping_sets")):
                written = []  # a key may be missing from a row
        keys = {key.sql(): self.value(key) for key in written}
        self.visible = [(cell.symbol, "=", cell.symbol) for cell in keys.values() if cell.symbol is not None]
        for cells in self.around:
            for rows in cells.values():
                columns = self.rows_of.columns(rows.place).values() if rows.place is not None else (cell.symbol for cell in rows.cells.values())
                self.visible += [(symbol, "=", symbol) for symbol in columns if symbol is not None]
        for node in {item.sql(): item for select in self.query.selects for item in select.find_all(exp.Max)}.values():
            time = self._time(node.this) if isinstance(node.this, exp.Expr) and node.find_ancestor(exp.Window) is None else None
            if time is not None and time[1] == 0:
                self.maxima[node.sql()] = highest = self.rows_of.symbol()
                self.visible.append((time[0], "<=", highest))
        self.keys = keys

    # ---- values

    def _star(self) -> Cell:
        return Cell(reasons=frozenset({"star-unresolved"}))

    def value(self, node: exp.Expr) -> Cell:
        """What an expression of the select list is made of."""
        node = node.unalias().unnest()
        if self.keys is not None and node.sql() in self.keys:
            return self.keys[node.sql()]
        if isinstance(node, exp.Window):
            return self._window(node)
        if isinstance(node, exp.Filter) or (isinstance(node, exp.AggFunc) and not isinstance(node, exp.Lag | exp.Lead)):
            return self._aggregate(node)
        if isinstance(node, exp.Column):
            cell = self._cell(node)
            if self.keys is None or any(cell.symbol == key.symbol for key in self.keys.values() if cell.symbol is not None):
                return cell
            return Cell(None, self.rows_of.gathered(cell.parts, self.facts, self.visible), cell.reasons)
        if isinstance(node, exp.Case):
            return self._case(node)
        if isinstance(node, exp.Query | exp.Exists):
            return self._subquery(node)
        if isinstance(node, exp.Greatest):
            return self._greatest(node)
        if isinstance(node, exp.Coalesce):
            return self._coalesce(node)
        core, seconds = unwrapped(node)
        if core is not node:
            return self._shifted(node, core, seconds)
        return self._merged(node)

    def _merged(self, node: exp.Expr) -> Cell:
        cells = [self.value(child) for child in node.iter_expressions() if not isinstance(child, exp.Identifier | exp.DataType)]
        return Cell(None, frozenset().union(*(cell.parts for cell in cells)), frozenset().union(*(cell.reasons for cell in cells)))

    def _shifted(self, node: exp.Expr, core: exp.Expr, seconds: float | None) -> Cell:
        whole, inner = self._merged(node), self.value(core)
        if inner.symbol is None:
            return whole
        if seconds == 0:
            return Cell(inner.symbol, whole.parts, whole.reasons)
        symbol = self.rows_of.symbol()
        self.facts.append(Fact(symbol, "=", inner.symbol, seconds))
        if self.keys is not None:
            self.visible.append((symbol, "=", symbol))
        return Cell(symbol, whole.parts, whole.reasons)

    def _greatest(self, node: exp.Greatest) -> Cell:
        whole = self._merged(node)
        symbol = self.rows_of.symbol()
        lower = [(cell.symbol, seconds) for item in (node.this, *node.expressions) for core, seconds in (unwrapped(item),)
                 if (cell := self.value(core)).symbol is not None]
        self.facts += [Fact(low, "<=", symbol, None if seconds is None else -seconds) for low, seconds in lower if low is not None]
        if self.keys is not None:
            self.visible.append((symbol, "=", symbol))
        return Cell(symbol, whole.parts, whole.reasons)

    def _coalesce(self, node: exp.Coalesce) -> Cell:
        """`JOIN … USING (t)` selects coalesce(left.t, right.t), which is left.t where both are equal."""
        whole = self._merged(node)
        symbols = [self.value(item).symbol for item in (node.this, *node.expressions)]
        first = symbols[0]
        equal = {(fact.low, fact.high) for fact in self.facts if fact.op == "=" and fact.seconds == 0}
        if first is not None and all((first, other) in equal or (other, first) in equal for other in symbols[1:]):
            left = self.value(node.this)
            return Cell(first, left.parts, left.reasons)
        return whole

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
                facts = frozenset(self._conjuncts(node.expression.this))
                guarded = self._condition(node.expression.this)
            found = self._merged(function)
            parts = found.parts or self._rows_counted(grouped or {})
            parts = frozenset(replace(self._with_decided(part), facts=part.facts | facts) for part in (*parts, *guarded.parts))
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
            time = self._time(key)
            if time is not None and time[1] == 0:
                edge = time[0]
                if seconds:
                    edge = self.rows_of.symbol()
                    self.facts.append(Fact(edge, "=", time[0], seconds))
                visible.append((time[0], op, edge))
        facts_outside = self.visible if self.keys is not None else []
        function = node.this.this if isinstance(node.this, exp.IgnoreNulls | exp.RespectNulls) else node.this
        found = self._within_window(function)
        parts = found.parts
        if not parts:
            counted = self._counted()
            parts = self.rows_of.gathered(counted, self.facts, facts_outside) if self.keys is not None else counted
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
            facts = frozenset(self._conjuncts(function.expression.this))
            guarded, found = self._condition(function.expression.this), self._merged(function.this)
            parts = frozenset(replace(part, facts=part.facts | facts) for part in (*(found.parts or self._counted()), *guarded.parts))
            return Cell(None, parts, found.reasons | guarded.reasons)
        return self._merged(function)

    def _case(self, node: exp.Case) -> Cell:
        chosen: list[Cell] = []
        conditions: list[tuple[Cell, frozenset[Fact]]] = []
        for branch in node.args.get("ifs") or ():
            test = branch.this if node.this is None else exp.EQ(this=node.this, expression=branch.this)
            facts = frozenset(self._conjuncts(test)) if node.this is None else frozenset[Fact]()
            conditions.append((self._condition(test), facts))
            chosen.append(_under(self.value(branch.args["true"]), facts))
        otherwise = node.args.get("default")
        chosen.append(self.value(otherwise) if isinstance(otherwise, exp.Expr) else Cell())
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
            return Cell(None, rows.counted, rows.reasons)
        first = next(iter(rows.cells.values()), Cell(reasons=rows.reasons))
        return Cell(None, first.parts, first.reasons)


def _under(cell: Cell, facts: frozenset[Fact]) -> Cell:
    return Cell(None, frozenset(replace(part, facts=part.facts | facts) for part in cell.parts), cell.reasons) if facts else cell


def _aggregates(node: exp.Expr) -> bool:
    """Whether an expression aggregates the rows of its query, and not only those of a window or of a subquery."""
    own = node.find_ancestor(exp.Select)
    return any(found.find_ancestor(exp.Select) is own and not _in_window(found) for found in node.find_all(exp.AggFunc))


def _in_window(function: exp.Expr) -> bool:
    """Whether this is the very function of an OVER, not an aggregate it is applied to."""
    holder = function
    while isinstance(holder.parent, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
        holder = holder.parent
    return isinstance(holder.parent, exp.Window) and holder.arg_key == "this"
