"""Where things stand in the SQL text: offsets to lines, and the select items as the writer wrote them.

sqlglot keeps token offsets on identifiers, literals, stars and functions only, and none on the words between. The items of
every select list are therefore cut from the token stream; an item is found again by the offsets of what is inside it.
"""
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.tokens import Token, TokenType

from ingest_hooks.sql.forms.nodes import Nodes

__all__ = ["Item", "Text", "Written", "remember_positions", "remembered", "replaces", "same_place", "star_of", "written_items"]

_SPAN = "lineproof_span"
_REPLACES = "lineproof_replaces"
_STARS = "lineproof_stars"
_ITEMS = "lineproof_items"
_COMPARISONS = (exp.LT, exp.LTE, exp.GT, exp.GTE, exp.EQ, exp.Between, exp.Window)

_END_OF_ITEMS = frozenset({TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.HAVING, TokenType.QUALIFY, TokenType.ORDER_BY,
                           TokenType.LIMIT, TokenType.OFFSET, TokenType.FETCH, TokenType.WINDOW, TokenType.UNION, TokenType.EXCEPT,
                           TokenType.INTERSECT, TokenType.SEMICOLON, TokenType.INTO, TokenType.LATERAL})
_OPEN = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
_CLOSE = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE})


@dataclass(frozen=True, slots=True)
class Item:
    """A select item: character offsets of its first and last character, and its tokens' indices [first, last]."""

    start: int
    end: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Written:
    """A select item as it was written: its name, its first and last character offset, and whether it stands for any number of columns."""

    name: str
    extent: tuple[int, int] | None
    star: bool


class Text:
    """A statement's text with its tokens: line and column of an offset, text of a stretch, select items."""

    def __init__(self, sql: str, tokens: Sequence[Token]) -> None:
        self._sql = sql
        self._tokens = tokens
        self._lines = [0, *(index + 1 for index, char in enumerate(sql) if char == "\n")]
        self._items = sorted(_select_items(tokens), key=lambda item: (item.start, -item.end))
        self._starts = [item.start for item in self._items]
        self._token_starts = [token.start for token in tokens]

    def place(self, offset: int) -> tuple[int, int]:
        """1-based (line, column) of the character at `offset`."""
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def item(self, low: int, high: int) -> Item | None:
        """The smallest select item that covers the offsets low..high."""
        index = bisect_right(self._starts, low) - 1
        while index >= 0:
            if self._items[index].end >= high:
                return self._items[index]
            index -= 1
        return None

    def render(self, first: int, last: int) -> str:
        """The tokens first..last as written, without comments, each gap as one space."""
        parts: list[str] = []
        previous = -1
        for token in self._tokens[first:last + 1]:
            if parts and token.start > previous + 1:
                parts.append(" ")
            parts.append(self._sql[token.start:token.end + 1])
            previous = token.end
        return "".join(parts)

    def expression(self, item: Item, alias_start: int | None) -> str:
        """The item's text without its alias."""
        last = item.last
        if alias_start is not None and alias_start > item.start:
            last = bisect_right(self._token_starts, alias_start) - 2
            if last > item.first and self._tokens[last].token_type is TokenType.ALIAS:
                last -= 1
        return self.render(item.first, max(last, item.first))


def remember_positions(nodes: Nodes) -> None:
    """Note on every select item, comparison, window and table where it stands, while the tree is still as parsed.

    Qualifying inserts copies of identifiers that carry the positions of another place.
    """
    spans, several = _spans(nodes.all), bool(nodes.count(exp.Columns))
    for select in nodes.of(exp.Select):
        stars: list[tuple[str, int]] = []
        items: list[Written] = select.meta.setdefault(_ITEMS, [])
        for item in select.expressions:
            extent = spans.get(id(item))
            items.append(Written(_name_of(item, len(items)), extent, _is_star(item, several=several)))
            item.meta[_ITEMS] = len(items) - 1
            if extent is None:
                continue
            item.meta[_SPAN] = extent
            if item.is_star:
                stars.append((item.table.lower() if isinstance(item, exp.Column) else "", extent[0]))
                for alias in item.find_all(exp.Alias):
                    alias.meta[_SPAN] = spans.get(id(alias))
                    alias.meta[_REPLACES] = True
        if stars:
            select.meta[_STARS] = stars
    for kind in (*_COMPARISONS, exp.NullSafeEQ, exp.Table):
        for node in nodes.of(kind):
            node.meta[_SPAN] = spans.get(id(node))


def _name_of(item: exp.Expr, number: int) -> str:
    """What an item is called; numbers and subscripts give no name, whatever sqlglot says."""
    return f"_col_{number}" if isinstance(item, exp.Literal | exp.Bracket) else item.alias or item.output_name


def same_place(node: exp.Expr, item: exp.Expr) -> None:
    """A select item that was written out of `item` stands where it stands; its name is its own."""
    node.meta[_SPAN] = item.meta.get(_SPAN)


def written_items(select: exp.Expr) -> list[Written | None]:
    """For each select item of a qualified SELECT the one it was written as; None for those that came through a star.

    Qualifying replaces some items, so an item without a mark is found by its neighbours.
    """
    items: list[Written] = select.meta.get(_ITEMS) or []
    selects = select.expressions
    found: list[int | None] = [_mark_of(item) for item in selects]
    if not items:
        return [None] * len(selects)
    before = next((number for number, item in enumerate(items) if item.star), len(items))
    for place in range(min(before, len(found))):
        found[place] = place
    if before < len(items):
        behind = next(number for number, item in enumerate(reversed(items)) if item.star)
        for back in range(1, min(behind, len(found)) + 1):
            found[-back] = len(items) - back
    return [items[number] if number is not None and number < len(items) and not items[number].star else None for number in found]


def _mark_of(item: exp.Expr) -> int | None:
    for node in (item, item.unalias() if isinstance(item, exp.Alias) else item):
        number: int | None = node.meta.get(_ITEMS)
        if number is not None:
            return number
    return None


def _is_star(item: exp.Expr, *, several: bool) -> bool:
    """Whether an item stands for any number of columns; `several`: whether there is a `COLUMNS(…)` at all."""
    if item.is_star or isinstance(item, exp.Aliases) or (isinstance(item, exp.Like | exp.ILike) and isinstance(item.this, exp.Star)):
        return True
    return several and item.find(exp.Columns) is not None


def remembered(node: exp.Expr) -> tuple[int, int] | None:
    """First and last character offset noted on the node, or None for what was never written."""
    extent: tuple[int, int] | None = node.meta.get(_SPAN)
    return extent


def replaces(node: exp.Expr) -> bool:
    """Whether the node is a replacement inside `* REPLACE (…)`."""
    return bool(node.meta.get(_REPLACES))


def star_of(owner: exp.Expr, value: exp.Expr) -> int | None:
    """Offset of the star of the SELECT `owner` that an expanded column came through."""
    stars: list[tuple[str, int]] | None = owner.meta.get(_STARS)
    if not stars:
        return None
    table = value.table.lower() if isinstance(value, exp.Column) else ""
    return next((start for name, start in stars if name == table), stars[0][1])


def _spans(nodes: Sequence[exp.Expr]) -> dict[int, tuple[int, int]]:
    """First and last offset of what stands in each node, by its id. `nodes` has parents before their children."""
    spans: dict[int, tuple[int, int]] = {}
    for node in reversed(nodes):
        meta, span = node.meta, spans.get(id(node))
        if meta.get("end") is not None:  # sqlglot gives a name that is made of several parts a start, but no end
            start, end = meta["start"], meta["end"]
            span = spans[id(node)] = (start, end) if span is None else (min(start, span[0]), max(end, span[1]))
        if span is not None and node.parent is not None:
            around = spans.get(id(node.parent))
            spans[id(node.parent)] = span if around is None else (min(span[0], around[0]), max(span[1], around[1]))
    return spans


def _select_items(tokens: Sequence[Token]) -> Iterable[Item]:
    open_lists: list[_List] = []
    depth = 0
    for index, token in enumerate(tokens):
        kind = token.token_type
        if kind in _CLOSE:
            depth -= 1
            while open_lists and open_lists[-1].depth > depth:
                yield from open_lists.pop().close(tokens, index)
        current = open_lists[-1] if open_lists else None
        if current is not None and current.depth == depth:
            previous = tokens[index - 1].token_type
            if kind is TokenType.COMMA:
                yield from current.close(tokens, index)
                current.first = index + 1
            elif kind in _END_OF_ITEMS and not _part_of_item(kind, previous):
                yield from open_lists.pop().close(tokens, index)
        if kind in _OPEN:
            depth += 1
        elif kind is TokenType.SELECT:
            open_lists.append(_List(depth, _skip_quantifier(tokens, index + 1)))
    while open_lists:
        yield from open_lists.pop().close(tokens, len(tokens))


def _part_of_item(kind: TokenType, previous: TokenType) -> bool:
    # `a IS DISTINCT FROM b` and `* EXCEPT (a)` do not end the list
    return (kind is TokenType.FROM and previous is TokenType.DISTINCT) or (kind is TokenType.EXCEPT and previous is TokenType.STAR)


def _skip_quantifier(tokens: Sequence[Token], index: int) -> int:
    if index < len(tokens) and tokens[index].token_type in (TokenType.DISTINCT, TokenType.ALL):
        index += 1
        if index < len(tokens) and tokens[index].token_type is TokenType.ON:
            depth = 0
            index += 1
            while index < len(tokens):
                depth += (tokens[index].token_type in _OPEN) - (tokens[index].token_type in _CLOSE)
                index += 1
                if depth == 0:
                    break
    return index


@dataclass(slots=True)
class _List:
    depth: int
    first: int

    def close(self, tokens: Sequence[Token], end: int) -> Iterable[Item]:
        if self.first < end <= len(tokens):
            yield Item(tokens[self.first].start, tokens[end - 1].end, self.first, end - 1)
