import type { ReactNode } from 'react';
import { useAsk, useAskAll } from '../api/client';
import type { Operations } from '../api/schema';
import { Status } from '../parts/Commit';
import { Ask, Empty, Json, Named, Notes, Section, When, isUrn } from '../parts/basics';
import { Fact, Value, words } from '../parts/facts';
import { Table } from '../parts/table';
import { count, lasted, number, shown } from '../text';
import { positionOf, type Place } from '../url';
import { formatUrn, parseUrn } from '../urn';
import { LINKS } from '../words';
import { FeatureFacts } from './FeatureFacts';
import { DeploymentFacts, ModelFacts } from './ModelFacts';

type Found = NonNullable<Operations['Entity']['result']['entity']['entity']>;
type Facts = ReadonlyMap<string, unknown>;

const REGISTERED: ReadonlySet<string> = new Set(['FEATURE', 'FEATURE_VERSION', 'MODEL', 'MODEL_VERSION', 'DEPLOYMENT']); // told by the registry
const TOLD_THERE: ReadonlySet<string> = new Set(['VERSION_OF', 'TRAINED_ON', 'DEPLOYS', 'PINS', 'USES']);

const FEW = 12; // versions, runs and commits shown; the rest is in the audit trail
const COLUMNS_READ = 60; // columns whose own facts are read for their descriptions and checks
const SHOWN_ELSEWHERE = /^(schema|owners|description|tags|classification|currentVersion|existence|sql|sqlDialect|quality:.*|alias:.*|facet:.*|reproduction:.*)$/;

function factsOf(entity: Found | null | undefined): Facts {
  return new Map(entity?.facts.map((fact) => [fact.name, fact.value]) ?? []);
}

function useEntities(urns: readonly string[], at: number | null): (Found | null)[] {
  const answers = useAskAll('Entity', urns.map((urn) => ({ urn, at: at === null ? null : { size: at } })));
  return answers.map((answer) => answer.data?.entity.entity ?? null);
}

export function EntityView({ place, urn }: { place: Place; urn: string }) {
  const at = positionOf(place);
  const answer = useAsk('Entity', { urn, at: at === null ? null : { size: at } });
  return (
    <Ask answer={answer} what="facts">
      {({ entity: { entity, completeness } }) => entity !== null && <Body entity={entity} at={at}><Notes of={completeness} /></Body>}
    </Ask>
  );
}

function Body({ entity, at, children }: { entity: Found; at: number | null; children: ReactNode }) {
  const facts = factsOf(entity);
  const versions = linked(entity, 'VERSION_OF', false);
  const columns = linked(entity, 'COLUMN_OF', false);
  const current = facts.get('currentVersion');
  const recent = [...versions].reverse().slice(0, FEW);
  const versionEntities = useEntities(recent, at);
  const runUrns = [...new Set([...versionEntities.flatMap((version) => { const run = factsOf(version).get('run'); return isUrn(run) ? [run] : []; }), ...(isUrn(facts.get('run')) ? [facts.get('run') as string] : []),
    ...[...linked(entity, 'OF', false), ...linked(entity, 'EXECUTED', false), ...linked(entity, 'GENERATED', false)].reverse()])].slice(0, FEW);
  const runs = useEntities(runUrns, at);
  const commitUrns = [...new Set([...runs.flatMap((run) => { const commit = factsOf(run).get('commit'); return isUrn(commit) ? [commit] : []; }), ...linked(entity, 'FROM_COMMIT', true)])].slice(0, FEW);
  const commits = useEntities(commitUrns, at);
  const columnEntities = useEntities(columns.slice(0, COLUMNS_READ), at);
  const checks = [entity, ...columnEntities].flatMap((each) => (each === null ? [] : each.facts.filter((fact) => fact.name.startsWith('quality:')).map((fact) => ({ urn: each.urn, fact }))));
  const others = entity.facts.filter((fact) => !SHOWN_ELSEWHERE.test(fact.name) && !(Array.isArray(fact.value) && fact.value.length === 0) && fact.value !== null);
  const facets = entity.facts.filter((fact) => fact.name.startsWith('facet:'));
  const code = facts.get('sql');
  const registered = REGISTERED.has(entity.kind);
  return (
    <div className="entity">
      {children}
      {entity.description !== null && <p className="lead">{entity.description}</p>}
      <dl className="facts">
        <Fact name="Owners">{entity.owners.length > 0 ? linkedOwners(entity) : <span className="soft">nobody is named</span>}</Fact>
        {entity.tags.length > 0 && <Fact name="Tags">{entity.tags.join(', ')}</Fact>}
        <Fact name="Known since">position {number(entity.since)}</Fact>
        {isUrn(current) && <Fact name="Current version"><Named urn={current} /></Fact>}
        {!registered && others.map((fact) => <Fact key={fact.name} name={words(fact.name)}><Value value={fact.value} /></Fact>)}
      </dl>
      {(entity.kind === 'FEATURE' || entity.kind === 'FEATURE_VERSION') && <FeatureFacts urn={entity.urn} at={at} whole={entity.kind === 'FEATURE'} />}
      {(entity.kind === 'MODEL' || entity.kind === 'MODEL_VERSION') && <ModelFacts urn={entity.urn} at={at} whole={entity.kind === 'MODEL'} />}
      {entity.kind === 'DEPLOYMENT' && <DeploymentFacts urn={entity.urn} at={at} />}
      <Schema entity={entity} schema={facts.get('schema')} columns={new Map(columnEntities.flatMap((column) => (column === null ? [] : [[column.name, column] as const])))} />
      {typeof code === 'string' && <Section title="Code" note={shown(facts.get('sqlDialect'))}><pre className="code" tabIndex={0} aria-label="SQL of the job">{code}</pre></Section>}
      {checks.length > 0 && <Checks checks={checks} self={entity.urn} />}
      {!registered && recent.length > 0 && <Versions urns={recent} entities={versionEntities} total={versions.length} current={current} />}
      {runUrns.length > 0 && <Runs urns={runUrns} entities={runs} />}
      {commitUrns.length > 0 && (
        <Section title="Commits">
          <ul className="plain">
            {commitUrns.map((commit, row) => {
              const said = factsOf(commits[row]);
              const author = said.get('author') as { name?: string } | undefined;
              return (
                <li key={commit} className="commit">
                  <Named urn={commit}><code>{parseUrn(commit)?.parts.at(-1)?.slice(0, 10)}</code></Named>
                  <span className="commit-subject">{shown(said.get('subject') ?? '')}</span>
                  <span className="soft">{author?.name} <When at={said.get('committedAt') as string | undefined} /></span>
                </li>
              );
            })}
          </ul>
        </Section>
      )}
      <Connected entity={entity} />
      {facets.length > 0 && (
        <Section title="Facets as sent">
          {facets.map((facet) => <details key={facet.name}><summary><code>{facet.name.slice(6)}</code> <span className="soft">since {facet.since}</span></summary><Json value={facet.value} /></details>)}
        </Section>
      )}
    </div>
  );
}

function Schema({ entity, schema, columns }: { entity: Found; schema: unknown; columns: ReadonlyMap<string, Found> }) {
  if (!Array.isArray(schema) || entity.kind !== 'DATASET') return null;
  const fields = schema as readonly { name: string; type?: string; description?: string }[];
  const failing = (name: string) => columns.get(name)?.facts.filter((fact) => fact.name.startsWith('quality:') && (fact.value as { success?: boolean } | null)?.success === false).length ?? 0;
  const described = fields.some((field) => field.description ?? columns.get(field.name)?.description);
  const checked = fields.some((field) => failing(field.name) > 0);
  return (
    <Section title="Schema" note={count(fields.length, 'column')}>
      <Table caption="Columns" head={['Column', 'Type', ...(described ? ['Description'] : []), ...(checked ? ['Checks'] : []), <span className="unseen">Views</span>]}>
        {fields.map((field) => {
          const column = formatUrn('column', entity.namespace ?? '', entity.name, field.name);
          const own = columns.get(field.name);
          const failed = failing(field.name);
          return (
            <tr key={field.name}>
              <td><Named urn={column}>{field.name}</Named></td>
              <td><code>{field.type ?? ''}</code></td>
              {described && <td className="wrap">{field.description ?? own?.description ?? ''}</td>}
              {checked && <td>{failed > 0 && <span className="status status-warn">{failed} failing</span>}</td>}
              <td className="cell-links"><Named urn={column} page="lineage">lineage<span className="unseen"> of {field.name}</span></Named> <Named urn={column} page="trace">trace<span className="unseen"> of {field.name}</span></Named></td>
            </tr>
          );
        })}
      </Table>
    </Section>
  );
}

function Checks({ checks, self }: { checks: readonly { urn: string; fact: Found['facts'][number] }[]; self: string }) {
  return (
    <Section title="Quality checks" note={count(checks.length, 'check')}>
      <Table caption="Quality checks" head={['Result', 'Check', 'On', 'Severity', 'Actual', 'Checked']}>
        {checks.map(({ urn, fact }) => {
          const value = (fact.value ?? {}) as { success?: boolean; severity?: string; actual?: { message?: string } | unknown; checkedAt?: string };
          const actual = value.actual as { message?: string } | null | undefined;
          return (
            <tr key={urn + fact.name}>
              <td><Status status={value.success === true ? 'pass' : value.success === false ? (value.severity === 'warn' ? 'warn' : 'fail') : null} /></td>
              <td className="wrap"><code>{fact.name.slice(8)}</code></td>
              <td>{urn === self ? 'the whole' : <Named urn={urn} />}</td>
              <td>{value.severity ?? ''}</td>
              <td className="wrap">{actual === undefined || actual === null ? '' : (actual.message ?? shown(actual))}</td>
              <td><When at={value.checkedAt} /></td>
            </tr>
          );
        })}
      </Table>
    </Section>
  );
}

function Versions({ urns, entities, total, current }: { urns: readonly string[]; entities: readonly (Found | null)[]; total: number; current: unknown }) {
  return (
    <Section title="Versions" note={total > urns.length ? `the last ${urns.length} of ${number(total)}` : count(total, 'version')}>
      <Table caption="Versions" head={['Version', 'Committed', 'Rows', 'Fingerprint', 'Run']}>
        {urns.map((urn, row) => {
          const facts = factsOf(entities[row]);
          const fingerprint = facts.get('fingerprint') as { sha256?: string } | string | undefined;
          const digest = typeof fingerprint === 'string' ? fingerprint : (fingerprint?.sha256 ?? facts.get('dataHash'));
          const run = facts.get('run');
          return (
            <tr key={urn}>
              <td><Named urn={urn} />{urn === current && <span className="status status-good">current</span>}</td>
              <td><When at={(facts.get('committedAt') ?? facts.get('eventTime')) as string | undefined} /></td>
              <td className="figure">{typeof facts.get('rowCount') === 'number' ? number(facts.get('rowCount') as number) : ''}</td>
              <td>{typeof digest === 'string' && <code title={digest}>{digest.slice(0, 12)}</code>}</td>
              <td>{isUrn(run) && <Named urn={run} />}</td>
            </tr>
          );
        })}
      </Table>
    </Section>
  );
}

function Runs({ urns, entities }: { urns: readonly string[]; entities: readonly (Found | null)[] }) {
  return (
    <Section title="Runs" note="the last ones">
      <Table caption="Runs" head={['Run', 'Status', 'Job', 'Started', 'Took', 'Purpose', 'Signed by']}>
        {urns.map((urn, row) => {
          const facts = factsOf(entities[row]);
          const job = entities[row] ? linked(entities[row], 'OF', true)[0] : undefined;
          return (
            <tr key={urn}>
              <td><Named urn={urn} /></td>
              <td><Status status={facts.get('status') as string | undefined} /></td>
              <td>{job !== undefined && <Named urn={job} />}</td>
              <td><When at={facts.get('startedAt') as string | undefined} /></td>
              <td className="figure">{lasted((facts.get('startedAt') as string | undefined) ?? null, (facts.get('endedAt') as string | undefined) ?? null)}</td>
              <td>{shown(facts.get('purpose') ?? 'normal')}</td>
              <td>{shown(facts.get('signedBy') ?? '').toLowerCase()}</td>
            </tr>
          );
        })}
      </Table>
    </Section>
  );
}

const MANY = 24;

function Connected({ entity }: { entity: Found }) {
  const groups = new Map<string, string[]>();
  for (const link of entity.links) {
    if (link.type === 'OWNED_BY' && link.outgoing) continue;
    if (REGISTERED.has(entity.kind) && TOLD_THERE.has(link.type) && (link.outgoing || link.type !== 'USES')) continue;
    if (!link.outgoing && (link.type === 'VERSION_OF' || (link.type === 'COLUMN_OF' && entity.kind === 'DATASET'))) continue;
    const name = LINKS[link.type]?.[link.outgoing ? 0 : 1] ?? words(link.type.toLowerCase());
    groups.set(name, [...(groups.get(name) ?? []), link.urn]);
  }
  if (groups.size === 0) return entity.facts.length === 0 ? <Empty title="Nothing more is recorded about it" /> : null;
  return (
    <Section title="Connected">
      <dl className="facts">
        {[...groups].map(([name, urns]) => (
          <Fact key={name} name={name}>
            <ul className="inline">{[...new Set(urns)].slice(-MANY).map((urn) => <li key={urn}><Named urn={urn} /></li>)}</ul>
            {urns.length > MANY && <span className="soft">and {number(urns.length - MANY)} before</span>}
          </Fact>
        ))}
      </dl>
    </Section>
  );
}

function linked(entity: Found | null | undefined, type: string, outgoing: boolean): string[] {
  return entity?.links.filter((link) => link.type === type && link.outgoing === outgoing).map((link) => link.urn) ?? [];
}

function linkedOwners(entity: Found) {
  const principals = linked(entity, 'OWNED_BY', true);
  return <ul className="inline">{entity.owners.map((owner) => { const urn = principals.find((each) => parseUrn(each)?.parts[0] === owner); return <li key={owner}>{urn ? <Named urn={urn}>{owner}</Named> : owner}</li>; })}</ul>;
}
