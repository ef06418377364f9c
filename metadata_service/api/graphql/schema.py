"""The root fields: each opens a position, asks one question of the query layer, and adds nothing."""
from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import strawberry
from anyio import to_thread
from graphql import GraphQLError
from strawberry import ID, Info
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext
from strawberry.types.nodes import SelectedField

from metadata_service.api.alias_change import MoveOutcome
from metadata_service.api.graphql import registry
from metadata_service.api.graphql.caller import Caller, position_of
from metadata_service.api.graphql.documents import KnownDocuments
from metadata_service.api.graphql.errors import StableErrors
from metadata_service.api.graphql.flat import FlatExecutionContext
from metadata_service.api.graphql.inputs import ChangeInput, EntityRef, LimitsInput, Position, asked
from metadata_service.api.graphql.limits import QueryLimits
from metadata_service.api.graphql.mirror import SCALARS, Long, mirror
from metadata_service.api.graphql.point_in_time import point_in_time
from metadata_service.queries import accounting as accounts
from metadata_service.queries import audit_trail as auditing
from metadata_service.queries import diff as differences
from metadata_service.queries import entity as entities
from metadata_service.queries import feature_shapes as registered
from metadata_service.queries import impact as impacts
from metadata_service.queries import key_history as keys
from metadata_service.queries import lineage as lineages
from metadata_service.queries import logged
from metadata_service.queries import suspects as suspected
from metadata_service.queries import trace as traces
from metadata_service.queries.context import Asked, QueryContext, Room, answer, now_only
from metadata_service.queries.cursors import read_cursor
from metadata_service.queries.errors import InvalidArgument, InvalidCursor
from metadata_service.queries.impact_shapes import Column, Impact, Retype
from metadata_service.queries.lineage_shapes import Lineage
from metadata_service.queries.point_in_time import PointInTime
from metadata_service.queries.shapes import Direction, Kind, Level, micros
from metadata_service.queries.suspect_shapes import Suspects
from metadata_service.queries.trace_shapes import Trace
from metadata_service.reproduce import manifest as manifests

__all__ = ["Caller", "Schema", "execute", "schema"]

NODE_FACTS = {"owners", "description", "tags", "classification", "dropped", "status", "time"}  # fields of a lineage node that need its facts


type_ = mirror  # reads better below: graphql_type=type_(Lineage)


async def _index(room: Room, position: Position | None) -> int | None:
    """An end of a window, as an entry index."""
    wanted = asked(position, None)
    return await to_thread.run_sync(room.reader.size_at, micros(wanted.time)) if wanted.time is not None else wanted.size


async def resolve_entity(info: Info, urn: ID | None = None, ref: EntityRef | None = None, at: Position | None = None) -> entities.EntityAnswer:
    if (urn is None) == (ref is None):
        raise InvalidArgument("give either urn or ref")

    async def compute(context: QueryContext) -> entities.EntityAnswer:
        found = str(urn) if ref is None else await entities.resolve_name(context, ref.name, ref.kinds)
        if found is None:
            context.notes.doubt("unknown-name", "nothing of that name is visible")
            return entities.EntityAnswer(await context.computed_at(), context.notes.completeness(), None)
        return await entities.entity(context, found, made_by=made_by)

    made_by = _selected(info, "producers") is not None
    return await answer(*position_of(info, at), compute, about=[str(urn)] if urn is not None else ())


async def resolve_search(info: Info, text: str, kinds: list[Kind] | None = None, first: int = 20, after: str | None = None,
                         at: Position | None = None) -> entities.SearchAnswer:
    room, viewer, where = position_of(info, at)
    now_only(where, "search")
    return await answer(room, viewer, where, lambda context: entities.search(context, text, kinds, first, after))


async def resolve_lineage(info: Info, urn: ID, direction: Direction = Direction.UPSTREAM, depth: int | None = 3, level: Level = Level.ASSET,
                          kinds: list[Kind] | None = None, active_since: datetime | None = None, at: Position | None = None,
                          limits: LimitsInput | None = None) -> Lineage:
    room, viewer, where = position_of(info, at)
    if active_since is not None:
        now_only(where, "activeSince")
    caps = lineages.walk_limits(limits.nodes, limits.edges, limits.seconds) if limits is not None else None
    facts, seen = _selects_facts(info), _selected(info, "lastSeen") is not None
    walk = lineages.first_walk(urn, direction=direction, depth=depth, level=level, active_since=active_since, limits=caps)
    return await answer(room, viewer, where, lambda context: lineages.lineage(context, urn, direction=direction, depth=depth, level=level, kinds=kinds,
                                                                              active_since=active_since, limits=caps, facts=facts, seen=seen),
                        about=[urn], walk=walk)


async def resolve_impact(info: Info, urn: ID | None = None, change: ChangeInput | None = None, at: Position | None = None,
                         limits: LimitsInput | None = None) -> Impact:
    if (urn is None) == (change is None):
        raise InvalidArgument("give either urn or change")
    caps = lineages.walk_limits(limits.nodes, limits.edges, limits.seconds) if limits is not None else None
    subject, kind, schema = (change.urn, change.kind, change.columns) if change is not None else (urn, None, None)
    columns = [Column(each.name, each.type, each.nullable) for each in schema] if schema is not None else None
    retype = Retype(change.type, change.type_before) if change is not None and change.type is not None else None
    without = [str(each) for each in (change.not_read_by or ())] if change is not None else []
    if change is not None and change.type is None and change.type_before is not None:
        raise InvalidArgument("typeBefore goes with type")
    return await answer(*position_of(info, at), lambda context: impacts.impact(context, str(subject), kind, caps, columns, retype, without),
                        about=[str(subject)])


async def resolve_trace(info: Info, urn: ID, at: Position | None = None, data_at: datetime | None = None, since: datetime | None = None) -> Trace:
    for time in (data_at, since):
        if time is not None and time.tzinfo is None:
            raise InvalidArgument("a time needs a zone, e.g. 2026-01-31T12:00:00Z")
    return await answer(*position_of(info, at), lambda context: traces.trace(context, urn, data_at, since), about=[urn])


async def resolve_diff(info: Info, urn: ID, from_: Annotated[Position, strawberry.argument(name="from")], to: Position | None = None,
                       direction: Direction = Direction.UPSTREAM, depth: int | None = None, level: Level = Level.COLUMN,
                       limits: LimitsInput | None = None) -> differences.GraphDiff:
    caps = lineages.walk_limits(limits.nodes, limits.edges, limits.seconds) if limits is not None else None
    room, viewer, where = position_of(info, to)
    start = await _index(room, from_) or 0
    return await answer(room, viewer, where, lambda context: differences.diff(context, urn, start, direction=direction, depth=depth, level=level, limits=caps),
                        about=[urn])


async def resolve_suspects(info: Info, urn: ID, from_: Annotated[Position, strawberry.argument(name="from")], to: Position | None = None) -> Suspects:
    room, viewer, where = position_of(info, to)
    start = await _index(room, from_) or 0
    return await answer(room, viewer, where, lambda context: suspected.suspects(context, urn, start), about=[urn])


async def resolve_manifest(info: Info, urn: ID, at: Position | None = None) -> manifests.Manifest:
    return await answer(*position_of(info, at), lambda context: manifests.manifest(context, urn))


async def resolve_audit_trail(info: Info, urn: ID | None = None, from_: Annotated[Position | None, strawberry.argument(name="from")] = None,
                              to: Position | None = None, upstream: bool = False,
                              first: int = 50, after: str | None = None, event_types: list[str] | None = None, actor: str | None = None,
                              commit: str | None = None, columns: bool = True, at: Position | None = None) -> auditing.AuditTrail:
    room, viewer, where = position_of(info, at)
    question = ["auditTrail", urn, *(str(each and (each.size, each.time)) for each in (from_, to)), upstream, event_types, actor, commit, columns]
    if after is not None:  # all pages stand at the size of the first
        size = read_cursor(room.cursor_secret, question, after).size
        if where.size not in (None, size):
            raise InvalidCursor(f"the cursor belongs to size {size}")
        where = Asked(size)
    start, end = await _index(room, from_), await _index(room, to)
    return await answer(room, viewer, where, lambda context: auditing.audit_trail(
        context, urn, start=start or 0, end=end, upstream=upstream, first=first, after=after, event_types=event_types, actor=actor, commit=commit,
        columns=columns, question=question))


async def resolve_accounting(info: Info, from_: Annotated[Position | None, strawberry.argument(name="from")] = None, to: Position | None = None,
                             at: Position | None = None) -> accounts.Accounting:
    room, viewer, where = position_of(info, at)
    start, end = await _index(room, from_), await _index(room, to)
    return await answer(room, viewer, where, lambda context: accounts.accounting(context, start=start or 0, end=end))


async def resolve_event(info: Info, index: Long, at: Position | None = None) -> logged.LoggedEventAnswer:
    room, viewer, where = position_of(info, at)
    now_only(where, "event")
    return await answer(room, viewer, where, lambda context: logged.event(context, index))


async def resolve_checkpoint(info: Info, at: Position | None = None) -> logged.CheckpointAnswer:
    room, viewer, where = position_of(info, at)
    now_only(where, "checkpoint")
    return await answer(room, viewer, where, logged.checkpoint)


async def resolve_key_history(info: Info, key_id: str | None = None, at: Position | None = None) -> keys.KeyHistory:
    return await answer(*position_of(info, at), lambda context: keys.key_history(context, key_id))


async def resolve_evidence(info: Info, entries: list[Long], query: JSON | None = None,
                           answer_: Annotated[JSON | None, strawberry.argument(name="answer")] = None,
                           with_leaves: bool = False, with_context: bool = False,
                           at: Position | None = None) -> logged.Evidence:
    room, viewer, where = position_of(info, at)
    now_only(where, "evidence")
    return await answer(room, viewer, where, lambda context: logged.evidence(context, entries, query, answer_, with_leaves, with_context))


def _selected(info: Info, wanted: str) -> SelectedField | None:
    """A field of this name that is selected anywhere in the answer, also by a fragment."""
    waiting = list(info.selected_fields)
    while waiting:
        field = waiting.pop()
        if isinstance(field, SelectedField) and field.name == wanted:
            return field
        waiting.extend(field.selections)
    return None


def _selects_facts(info: Info) -> bool:
    """Whether a selected field of a lineage node needs the node's facts; of what stands in a fragment that is taken for granted."""
    nodes = _selected(info, "nodes")
    return nodes is not None and any(not isinstance(each, SelectedField) or each.name in NODE_FACTS for each in nodes.selections)


@strawberry.type(description="Questions. Every answer says what it was computed at, and how complete it is.")
class Query:
    entity: Any = strawberry.field(resolver=resolve_entity, graphql_type=type_(entities.EntityAnswer), description="One entity, by URN or friendly name.")
    search: Any = strawberry.field(resolver=resolve_search, graphql_type=type_(entities.SearchAnswer), description="Current entities by name. Now only.")
    lineage: Any = strawberry.field(resolver=resolve_lineage, graphql_type=type_(Lineage),
                                    description="What an entity is made of, or what is made of it. depth counts hops, null is everything; kinds keeps paths.")
    impact: Any = strawberry.field(resolver=resolve_impact, graphql_type=type_(Impact), description="What a change breaks, with owners and the path.")
    trace: Any = strawberry.field(resolver=resolve_trace, graphql_type=type_(Trace),
                                  description="A value's way back to raw data: expression, file and line, commit, author, run and versions at every step.")
    audit_trail: Any = strawberry.field(resolver=resolve_audit_trail, graphql_type=type_(auditing.AuditTrail),
                                        description="Who changed what: entries in the window [from, to) with before and after, outcome and proof.")
    accounting: Any = strawberry.field(resolver=resolve_accounting, graphql_type=type_(accounts.Accounting),
                                       description="Is the window [from, to) whole? Outcomes, bodies, and the gaps in each producer's numbers.")
    point_in_time_checks: Any = strawberry.field(resolver=point_in_time, graphql_type=type_(PointInTime),
                                                 description="Was everything in training data known when predictions are made? Eight checks with evidence.")
    diff: Any = strawberry.field(resolver=resolve_diff, graphql_type=type_(differences.GraphDiff),
                                 description="What changed between two positions in the lineage of an entity, and in the facts on the way.")
    suspects: Any = strawberry.field(resolver=resolve_suspects, graphql_type=type_(Suspects),
                                     description="What changed upstream within a window: code, data, schemas, checks, pins, runs; the likeliest first.")
    manifest: Any = strawberry.field(resolver=resolve_manifest, graphql_type=type_(manifests.Manifest),
                                     description="What it takes to rebuild an entity as it was: code, environment, inputs and parameters by digest.")
    feature: Any = strawberry.field(resolver=registry.feature, graphql_type=type_(registered.FeatureAnswer),
                                    description="A feature with its versions, aliases and their history, and one version in full.")
    features: Any = strawberry.field(resolver=registry.features, graphql_type=type_(registered.FeatureList), description="Features or models. Now only.")
    model: Any = strawberry.field(resolver=registry.model, graphql_type=type_(registered.ModelAnswer),
                                  description="A model with its versions, aliases and their history; of one version pins and deployments.")
    aliases: Any = strawberry.field(resolver=registry.aliases, graphql_type=type_(registered.AliasAnswer),
                                    description="Where aliases point at a position, and every attempt to move them.")
    deployment: Any = strawberry.field(resolver=registry.deployment, graphql_type=type_(registered.DeploymentAnswer),
                                       description="A deployment, by URN or <ns>:<name>@<id>.")
    resolve: Any = strawberry.field(resolver=registry.resolve, graphql_type=type_(registered.ResolveAnswer),
                                    description="What references mean; with a model (version or deployment) what it is bound to.")
    event: Any = strawberry.field(resolver=resolve_event, graphql_type=type_(logged.LoggedEventAnswer), description="One entry with its proof. Now only.")
    checkpoint: Any = strawberry.field(resolver=resolve_checkpoint, graphql_type=type_(logged.CheckpointAnswer), description="The latest signed tree head.")
    key_history: Any = strawberry.field(resolver=resolve_key_history, graphql_type=type_(keys.KeyHistory),
                                        description="All keys and their lives, and the policy in force.")
    evidence: Any = strawberry.field(resolver=resolve_evidence, graphql_type=type_(logged.Evidence),
                                     description="An evidence bundle of these entries, to be verified offline. Now only.")


@strawberry.type(description="Writes are events; these two are signed by the service in the name of the authenticated caller.")
class Mutation:
    move_alias: Any = strawberry.field(resolver=registry.move_alias, graphql_type=type_(MoveOutcome),
                                       description="Move an alias of a feature or model, or delete it, if it still stands where entry `expected` put it.")
    rollback: Any = strawberry.field(resolver=registry.rollback, graphql_type=type_(MoveOutcome),
                                     description="Move an alias one step back, or to an earlier version.")


class Schema(strawberry.Schema):
    """Strawberry's schema; errors are logged where they are masked (`StableErrors`), expected ones not at all."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        return None


schema = Schema(query=Query, mutation=Mutation, extensions=[KnownDocuments, QueryLimits, StableErrors], execution_context_class=FlatExecutionContext,
                config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=True))


async def execute(caller: Caller, document: str | None, variables: dict[str, Any] | None = None, operation_name: str | None = None) -> dict[str, Any]:
    """Run a document; the answer is that of the HTTP endpoint: `data` and, if any, `errors`."""
    result: Any = await schema.execute(document, variable_values=variables, context_value=caller, operation_name=operation_name)
    body: dict[str, Any] = {"data": result.data}
    if result.errors:
        body["errors"] = [error.formatted for error in result.errors]
    return body
