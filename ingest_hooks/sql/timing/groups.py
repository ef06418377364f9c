"""GROUP BY: the keys of a group, its latest times, and which rows decide what groups there are."""
from __future__ import annotations

from sqlglot import exp

from ingest_hooks.sql.timing.bounds import Part
from ingest_hooks.sql.timing.picked import Picked
from ingest_hooks.sql.timing.times import term

__all__ = ["Groups"]


class Groups(Picked):
    """The groups of a SELECT."""

    def _is_grouped(self) -> bool:
        group = self.query.args.get("group")
        if isinstance(group, exp.Group) and (group.expressions or group.args.get("all")):
            return True
        if self.query.args.get("having") is not None:
            return True
        return any(item.find(exp.AggFunc) is not None and _aggregates(item) for item in self.query.selects)

    def _group(self) -> frozenset[Part]:
        """Group the rows; which of them decide what groups there are."""
        group = self.query.args.get("group")
        written: list[exp.Expr] = []
        if isinstance(group, exp.Group):
            written = [item.unalias() for item in self.query.selects if not _aggregates(item)] if group.args.get("all") else list(group.expressions)
            if any(group.args.get(each) for each in ("cube", "rollup", "grouping_sets")):
                written = []  # a key may be missing from a row
        keys = {key.sql(): self.value(key) for key in written}
        self.columns_of_keys = {key.sql(): exp.column(f"key {number}", quoted=True) for number, key in enumerate(written) if not isinstance(key, exp.Column)}
        self.visible = [(cell.symbol, "=", cell.symbol) for cell in keys.values() if cell.symbol is not None]
        for cells in self.around:
            for rows in cells.values():
                columns = self.rows_of.columns(rows.place).values() if rows.place is not None else (cell.symbol for cell in rows.cells.values())
                self.visible += [(symbol, "=", symbol) for symbol in columns if symbol is not None]
        having = self.query.args.get("having")
        latest: dict[str, exp.Expr] = {}
        by_key = list(self.visible)
        for node in {item.sql(): item for each in (*self.query.selects, having) if each is not None for item in each.find_all(exp.Max)}.values():
            if isinstance(node.this, exp.Expr) and node.find_ancestor(exp.Window) is None:
                symbol, more = self.defined(term(node.this, self._grid))
                if symbol is not None:
                    self.facts += more
                    if all(self._timed(column) is not None for column in node.find_all(exp.Column)):
                        latest[node.sql()] = node.this
                    self.maxima[node.sql()] = highest = self.rows_of.symbol()
                    self.visible.append((symbol, "<=", highest))
        deciding = self._deciding_groups(latest, by_key)
        self.keys = keys | {column.sql(): keys[key] for key, column in self.columns_of_keys.items()}
        return deciding

    def over_keys(self, node: exp.Expr) -> exp.Expr:
        """An expression of a grouped query, with the keys that are computed themselves as columns."""
        if self.keys is None or not self.columns_of_keys or node.find(exp.AggFunc, exp.Query) is not None:
            return node
        if id(node) not in self.by_keys:
            self.by_keys[id(node)] = node.transform(lambda each: self.columns_of_keys.get(each.sql(), each))
        return self.by_keys[id(node)]


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
