import { useAsk } from '../api/client';
import type { ChangeKind, Operations } from '../api/schema';
import { Status } from '../parts/Commit';
import { Ask, Empty, Kind, Named, Notes, When } from '../parts/basics';
import { Table } from '../parts/table';
import { csv, download } from '../csv';
import { count } from '../text';
import { changed, navigate, positionOf, type Place } from '../url';
import { label, parseUrn } from '../urn';

type Impact = Operations['Impact']['result']['impact'];

const OF_COLUMN: readonly (readonly [string, ChangeKind, string])[] = [['drop', 'DROP_COLUMN', 'Drop the column'], ['rename', 'RENAME_COLUMN', 'Rename the column'], ['retype', 'RETYPE_COLUMN', 'Change its type'], ['nullability', 'CHANGE_NULLABILITY', 'Allow or forbid nulls'], ['values', 'CHANGE_VALUES', 'Change its values']];
const OF_DATASET: typeof OF_COLUMN = [['drop', 'DROP_DATASET', 'Drop the dataset'], ['rename', 'RENAME_DATASET', 'Rename the dataset'], ['values', 'CHANGE_VALUES', 'Change its values']];
const OF_VERSION: typeof OF_COLUMN = [['retire', 'RETIRE_VERSION', 'Retire this version'], ['values', 'CHANGE_VALUES', 'Change its values']];

const TABLES: ReadonlySet<string> = new Set(['DATASET', 'COLUMN']); // they read what is there: nothing binds them to a version

function changesOf(urn: string): typeof OF_COLUMN {
  const kind = parseUrn(urn)?.kind;
  return kind === 'column' ? OF_COLUMN : kind === 'dataset' ? OF_DATASET : kind === 'feature-version' || kind === 'model-version' ? OF_VERSION : [];
}

export function ImpactView({ place, urn }: { place: Place; urn: string }) {
  const at = positionOf(place);
  const options = changesOf(urn);
  const chosen = options.find(([name]) => name === place.params.get('change'));
  const position = at === null ? null : { size: at };
  const answer = useAsk('Impact', chosen ? { change: { kind: chosen[1], urn }, at: position } : { urn, at: position });
  return (
    <>
      <form className="controls" onSubmit={(event) => event.preventDefault()}>
        <label>
          What if we{' '}
          <select value={chosen?.[0] ?? ''} onChange={(event) => navigate(changed(place, { change: event.target.value || null }), true)}>
            <option value="">touch it at all</option>
            {options.map(([name, , title]) => <option key={name} value={name}>{title.charAt(0).toLowerCase() + title.slice(1)}</option>)}
          </select>
        </label>
        {answer.data && answer.data.impact.affected.length > 0 && <button type="button" onClick={() => download(`impact-${label(urn)}.csv`, impactCsv(answer.data!.impact))}>Download CSV</button>}
      </form>
      <Ask answer={answer} what="the impact" rows={7}>{({ impact }) => <Affected impact={impact} />}</Ask>
    </>
  );
}

function pathOf(impact: Impact, affected: Impact['affected'][number]): (string | null)[] {
  const first = impact.edges[affected.path[0] ?? -1];
  const nodes = first ? [first.upstream, ...affected.path.map((edge) => impact.edges[edge]!.downstream)] : [];
  return nodes.map((node) => impact.nodes[node]?.urn ?? null);
}

export function impactCsv(impact: Impact): string {
  return csv(
    ['severity', 'use', 'kind', 'name', 'urn', 'reason', 'distance', 'owners', 'columns', 'binding', 'last materialization', 'last run status', 'live in', 'path'],
    impact.affected.map((each) => [each.severity, each.use, each.kind, each.name, each.urn, each.reason, each.distance, each.owners, each.columns, each.binding, each.lastMaterialization?.at, each.lastRun?.status, each.deployments.map((deployment) => deployment.environment ?? label(deployment.urn)), pathOf(impact, each).map((urn) => (urn === null ? 'restricted' : label(urn))).join(' > ')]),
  );
}

function Affected({ impact }: { impact: Impact }) {
  if (impact.affected.length === 0) return <Empty title="Nothing is made from it">As far as hooks have reported.<Notes of={impact.completeness} /></Empty>;
  return (
    <>
      <p className="summary">
        {impact.breaking > 0 && <span className="figure-bad">{impact.breaking} would break</span>}
        {impact.possible > 0 && <span className="figure-warn">{impact.possible} may be affected</span>}
        <span className="soft">{count(new Set(impact.affected.flatMap((each) => each.owners)).size, 'owner')} to talk to</span>
      </p>
      <Notes of={impact.completeness} />
      <Table caption="Affected" head={['Severity', 'Entity', 'Why', 'Owners', 'Binding', 'Last made', 'Path']}>
        {impact.affected.map((each, row) => (
          <tr key={each.urn ?? row}>
            <td><Status status={each.severity} /></td>
            <td className="wrap">
              {each.urn === null ? <span className="soft">restricted</span> : <Named urn={each.urn} />} <Kind kind={each.kind} />
              {each.deployments.map((deployment) => <span key={deployment.urn} className="status status-warn">live: {deployment.environment ?? label(deployment.urn)}</span>)}
            </td>
            <td className="wrap">{each.use === 'INDIRECT' && <span className="soft">by filter, join or grouping: </span>}{each.reason}{each.columns.length > 0 && <span className="soft"> {each.columns.join(', ')}</span>}</td>
            <td className="wrap">{each.owners.length > 0 ? <ul>{each.owners.map((owner) => <li key={owner}>{owner}</li>)}</ul> : <span className="soft">nobody is named</span>}</td>
            <td>{TABLES.has(each.kind) ? '' : each.binding.toLowerCase()}</td>
            <td><When at={each.lastMaterialization?.at ?? each.lastRun?.endedAt} /> {each.lastRun && each.lastRun.status !== 'COMPLETE' && <Status status={each.lastRun.status} />}</td>
            <td>
              <details>
                <summary>{count(each.distance, 'hop')}</summary>
                <ol className="path">{pathOf(impact, each).map((urn, hop) => <li key={hop}>{urn === null ? <span className="soft">restricted</span> : <Named urn={urn} />}</li>)}</ol>
              </details>
            </td>
          </tr>
        ))}
      </Table>
    </>
  );
}
