"""The GraphQL documents behind the question commands; `--json` prints their answers as they are."""
from __future__ import annotations

from typing import Final

__all__ = ["ACCOUNTING", "AUDIT", "CHECKPOINT", "DIFF", "ENTITY", "EVENT", "EVIDENCE", "IMPACT", "KEY_HISTORY", "LINEAGE", "MANIFEST", "RESOLVE", "SEARCH",
           "SUSPECTS", "TRACE"]

_HEAD: Final = "computedAt { size rootHash coveringCheckpoint } completeness { complete truncated restricted unknown reasons { code detail urn } }"
_COMMIT: Final = "commit { urn sha repository author email subject committedAt branch pullRequest dirty recordedBy }"
_RUN: Final = "{ urn id status startedAt endedAt purpose signedBy job transformation commit recordedBy }"
_VERSION: Final = "{ urn id dataset since committedAt fingerprint rowCount run inferred }"
_SAID: Final = "{ via transformation commit basis expression file line status version since openedBy }"
_EDGE: Final = """downstream upstream level from to openedBy basis via transformation commit type subtype expression file line column parser
  status version"""
_EDGES: Final = f"edges {{ {_EDGE} }}"

RESOLVE: Final = "query Resolve($ref: EntityRef!) { entity(ref: $ref) { entity { urn } } }"

LINEAGE: Final = f"""query Lineage($urn: ID!, $direction: Direction! = UPSTREAM, $depth: Int, $level: Level! = ASSET, $kinds: [Kind!], $activeSince: DateTime,
  $at: Position) {{
  lineage(urn: $urn, direction: $direction, depth: $depth, level: $level, kinds: $kinds, activeSince: $activeSince, at: $at) {{
    {_HEAD} roots {{ urn why }}
    nodes {{ urn kind namespace name distance hiddenUpstream hiddenDownstream restricted owners dropped status time }}
    edges {{ {_EDGE} lastSeen }}
  }} }}"""

IMPACT: Final = f"""query Impact($urn: ID, $change: ChangeInput, $at: Position) {{
  impact(urn: $urn, change: $change, at: $at) {{
    {_HEAD} change roots {{ urn why }} breaking possible
    affected {{ node kind urn name severity use reason distance owners columns binding path
      lastMaterialization {{ version versionId run status at rowCount }} lastRun {_RUN} deployments {{ urn environment }} }}
    nodes {{ urn kind namespace name distance restricted }} {_EDGES}
  }} }}"""

TRACE: Final = f"""query Trace($urn: ID!, $at: Position, $dataAt: DateTime, $since: DateTime) {{
  trace(urn: $urn, at: $at, dataAt: $dataAt, since: $since) {{
    {_HEAD} roots {{ urn why }} dataAt since verdict {{ cause because }}
    steps {{ urn distance restricted expression file line column status basis parser job transformation path repository
      snippet {{ file start highlight lines }} macro {{ name file line column within snippet {{ file start highlight lines }} }}
      {_COMMIT} run {_RUN} output {_VERSION}
      inputs {{ urn type subtype expression restricted influence version {_VERSION} }} codeMatchesRun since openedBy influence }}
    sources {{ urn restricted columns version {_VERSION} previous {_VERSION} changed run {_RUN} failedChecks influence }}
    changes {{ job transformation previous {_COMMIT} size openedBy at loggedAt file line first pathChanged influence suspect
      columns {{ urn before after changed added removed influence }} }}
    quality {{ urn check column severity expected actual version onSource since checkedAt influence }}
  }} }}"""

DIFF: Final = f"""query Diff($urn: ID!, $from: Position!, $to: Position, $direction: Direction! = UPSTREAM, $depth: Int, $level: Level! = COLUMN) {{
  diff(urn: $urn, from: $from, to: $to, direction: $direction, depth: $depth, level: $level) {{
    {_HEAD} from to roots {{ urn why }} nodes {{ change urn kind restricted }}
    edges {{ change downstream upstream level type subtype restricted before {_SAID} after {_SAID} }}
    facts {{ urn fact before after since }} positions
  }} }}"""

SUSPECTS: Final = f"""query Suspects($urn: ID!, $from: Position!, $to: Position) {{
  suspects(urn: $urn, from: $from, to: $to) {{
    {_HEAD} from to roots {{ urn why }}
    rows {{ kind urn score because influence distance before after since at job {_COMMIT} file line run }} opaque {{ urn job transformation }}
  }} }}"""

AUDIT: Final = f"""query AuditTrail($urn: ID, $from: Position, $to: Position, $upstream: Boolean! = false, $first: Int! = 100, $after: String, $actor: String,
  $commit: String, $eventTypes: [String!], $at: Position) {{
  auditTrail(urn: $urn, from: $from, to: $to, upstream: $upstream, first: $first, after: $after, actor: $actor, commit: $commit, eventTypes: $eventTypes,
    at: $at) {{
    {_HEAD} from to after
    rows {{ index urn role eventType status reason detail actor caller {_COMMIT} claimedAt loggedAt signer signedBy key {{ state purpose label lastValid }}
      eventId changes {{ fact before after }} edges {{ action urn restricted level type subtype expression file line }} proof {{ index size path }} }}
  }} }}"""

ACCOUNTING: Final = f"""query Accounting($from: Position, $to: Position, $at: Position) {{
  accounting(from: $from, to: $to, at: $at) {{
    {_HEAD} from to entries accounted unaccounted outcomes {{ status count }} erased unnumbered statement
    producers {{ signer label stream events first last closed missing {{ first last shownAt maybeErased }} broken }} }} }}"""

SEARCH: Final = f"""query Search($text: String!, $kinds: [Kind!], $first: Int! = 20, $after: String) {{
  search(text: $text, kinds: $kinds, first: $first, after: $after) {{ {_HEAD} rows {{ urn kind namespace name owners description dropped }} after }} }}"""

ENTITY: Final = f"""query Entity($urn: ID!, $at: Position) {{
  entity(urn: $urn, at: $at) {{ {_HEAD}
    entity {{ urn kind namespace name since dropped owners description tags classification facts {{ name value since }}
      links {{ type outgoing urn since props }}
      producers {{ job transformation commit basis current first since until openedBy runs lastSeen restricted }} }} }} }}"""

EVENT: Final = f"""query Event($index: Long!) {{
  event(index: $index) {{ {_HEAD}
    event {{ index leaf eventType mediaType tenant signer signedBy caller received body key {{ state purpose label lastValid }} erased restricted envelope salt
      payload status reason detail proof {{ size hashes checkpoint text }} }} }} }}"""

CHECKPOINT: Final = f"query Checkpoint {{ checkpoint {{ {_HEAD} origin size rootHash text logSize }} }}"

KEY_HISTORY: Final = f"""query KeyHistory($keyId: String, $at: Position) {{
  keyHistory(keyId: $keyId, at: $at) {{ {_HEAD} policyIndex policy keys {{ keyId purpose state label tenant registeredAt validFrom lastValid notAfter replaces
    revocations {{ index lastValid }} disputed {{ first last revokedBy }} enrolment {{ binding issuer claims }}
    namespaces eventTypes sources publicKey }} }} }}"""

MANIFEST: Final = f"""query Manifest($urn: ID!, $at: Position) {{
  manifest(urn: $urn, at: $at) {{ {_HEAD} status reasons {{ code subject detail }} statement digest envelope }} }}"""

EVIDENCE: Final = """query Evidence($entries: [Long!]!, $query: JSON, $answer: JSON, $withLeaves: Boolean! = false, $withContext: Boolean! = false) {
  evidence(entries: $entries, query: $query, answer: $answer, withLeaves: $withLeaves, withContext: $withContext) { bundle } }"""
