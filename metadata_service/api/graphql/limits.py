"""What a query may ask for: depth, aliases, tokens, computed cost, and introspection only for some roles.

Cost is computed before execution: every field costs its weight, and what it holds counts `first` times. Strawberry's own limiters
know no cost, and their errors carry no stable code.
"""
from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
)
from strawberry.extensions import SchemaExtension

from metadata_service.api.graphql.documents import MAX_DIGITS

__all__ = ["MAX_ALIASES", "MAX_DEPTH", "QueryLimits"]

MAX_DEPTH: Final = 10  # the deepest field of the schema stands at 6
MAX_ALIASES: Final = 30
MAX_TOKENS: Final = 2_000  # the introspection query of common clients has some 400
MAX_COST: Final = 30_000  # one page of 500 audit rows with every field costs some 20,000
INTROSPECTION_ROLES: Final = frozenset({"admin", "operator", "auditor"})

# what a root field costs before its selection: reads of the graph and the log, in fields' worth of work
WEIGHTS: Final = {"lineage": 500, "impact": 1_500, "trace": 2_000, "diff": 2_000, "suspects": 3_000, "evidence": 3_000, "auditTrail": 200, "search": 50,
                  "event": 50, "accounting": 3_000}
PAGES: Final = {"auditTrail": 50, "search": 20}  # rows without `first`
NODES_PER_COST: Final = 10  # a walk's node limit counts a tenth: rows of a flat list are cheap


@dataclass(slots=True)
class _Measure:
    depth: int = 0
    aliases: int = 0
    cost: int = 0


class QueryLimits(SchemaExtension):
    """Adds the token limit to parsing, and measures every request: the same document may cost more with other variables.

    Comes after `KnownDocuments`: where a fault is known, the framework does not validate, and reports what stands here.
    """

    def on_operation(self) -> Iterator[None]:
        self.execution_context.parse_options["max_tokens"] = MAX_TOKENS
        yield

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        if context.graphql_document is not None:
            roles: Collection[str] = context.context.viewer.roles
            refused = _refused(context.graphql_document, context.variables or {}, bool(INTROSPECTION_ROLES.intersection(roles)))
            unnamed = _ambiguous(context.graphql_document) if context._provided_operation_name is None else ()  # `operation_name` would be the first's
            context.pre_execution_errors = [*(context.pre_execution_errors or ()), *unnamed, *refused]
        yield


def _refused(document: DocumentNode, variables: Mapping[str, Any], may_introspect: bool) -> Iterator[GraphQLError]:
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            yield from _check(operation, _Scale(fragments, variables, {}), may_introspect)


def _ambiguous(document: DocumentNode) -> Iterator[GraphQLError]:
    """GraphQL, 6.1: of several operations a request has to name one."""
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if len(operations) > 1:
        yield GraphQLError(f"the document has {len(operations)} operations; operationName has to name one of them", operations,
                           extensions={"code": "invalid-query"})


@dataclass(slots=True)
class _Scale:
    """Measures selections; each fragment once, so that nesting fragments costs nothing, and cycles end."""

    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]
    measured: dict[str, _Measure]

    def measure(self, selections: SelectionSetNode | None, root: bool) -> _Measure:
        total = _Measure()
        for node in selections.selections if selections is not None else ():
            if isinstance(node, FieldNode):
                part = self._field(node, root)
            elif isinstance(node, InlineFragmentNode):
                part = self.measure(node.selection_set, root)
            elif isinstance(node, FragmentSpreadNode):
                part = self._fragment(node.name.value, root)
            else:
                continue
            total = _Measure(max(total.depth, part.depth), total.aliases + part.aliases, total.cost + part.cost)
        return total

    def _field(self, node: FieldNode, root: bool) -> _Measure:
        name = node.name.value
        if name.startswith("__"):
            return _Measure(aliases=int(node.alias is not None))
        below = self.measure(node.selection_set, False)
        weight = WEIGHTS.get(name, 1) if root else 1
        times = PAGES.get(name, 1) if root else 1
        for argument in node.arguments or ():
            if argument.name.value == "first":
                times = max(self._number(argument.value, times), 0)
            elif argument.name.value == "limits":
                weight += self._nodes(argument.value) // NODES_PER_COST
        return _Measure(below.depth + 1, below.aliases + int(node.alias is not None), weight + times * below.cost)

    def _fragment(self, name: str, root: bool) -> _Measure:
        if name not in self.measured:
            self.measured[name] = _Measure()  # a cycle measures nothing; validation refuses it anyway
            fragment = self.fragments.get(name)
            self.measured[name] = self.measure(fragment.selection_set if fragment is not None else None, root)
        return self.measured[name]

    def _number(self, value: ValueNode, otherwise: int) -> int:
        if isinstance(value, IntValueNode):
            return int(value.value[:MAX_DIGITS])  # a longer one is a fault of the document, and too much either way
        given = self.variables.get(value.name.value) if isinstance(value, VariableNode) else None
        return given if isinstance(given, int) and not isinstance(given, bool) else otherwise

    def _nodes(self, value: ValueNode) -> int:
        if isinstance(value, ObjectValueNode):
            return sum(self._number(each.value, 0) for each in value.fields if each.name.value in ("nodes", "edges"))
        given = self.variables.get(value.name.value) if isinstance(value, VariableNode) else None
        numbers = given.values() if isinstance(given, Mapping) else ()
        return sum(each for each in numbers if isinstance(each, int))


def _check(operation: OperationDefinitionNode, scale: _Scale, may_introspect: bool) -> Iterator[GraphQLError]:
    if not may_introspect and _introspects(operation.selection_set, scale.fragments, set()):
        yield _refusal(operation, "forbidden", f"introspection needs one of the roles {', '.join(sorted(INTROSPECTION_ROLES))}")
    found = scale.measure(operation.selection_set, True)
    if found.depth > MAX_DEPTH:
        yield _refusal(operation, "query-too-deep", f"the query is {found.depth} fields deep, at most {MAX_DEPTH}")
    if found.aliases > MAX_ALIASES:
        yield _refusal(operation, "query-too-wide", f"the query has {found.aliases} aliases, at most {MAX_ALIASES}")
    if found.cost > MAX_COST:
        yield _refusal(operation, "query-too-costly", f"the query costs {found.cost}, at most {MAX_COST}")


def _introspects(selections: SelectionSetNode | None, fragments: Mapping[str, FragmentDefinitionNode], seen: set[str]) -> bool:
    for node in selections.selections if selections is not None else ():
        if isinstance(node, FieldNode) and node.name.value in ("__schema", "__type"):
            return True
        if isinstance(node, InlineFragmentNode) and _introspects(node.selection_set, fragments, seen):
            return True
        if isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
            seen.add(node.name.value)
            fragment = fragments.get(node.name.value)
            if fragment is not None and _introspects(fragment.selection_set, fragments, seen):
                return True
    return False


def _refusal(operation: OperationDefinitionNode, code: str, message: str) -> GraphQLError:
    return GraphQLError(message, [operation], extensions={"code": code})
