// Exactly what is there at one position and not, or otherwise, at the other.
import type { Difference, Operations, SideFragment } from '../api/schema';
import { Change } from '../parts/Change';
import { Sides } from '../parts/Sides';
import { Empty, Kind, Link, Named, Notes } from '../parts/basics';
import { EntryLink, words } from '../parts/facts';
import { Table } from '../parts/table';
import { csv, download } from '../csv';
import { count, number, shown } from '../text';
import { changed, positionOf, type Place } from '../url';
import { kindWord, label, parseUrn } from '../urn';
import { pagesOf } from './EntityFrame';

type Diff = Operations['Diff']['result']['diff'];
type Edge = Diff['edges'][number];

const TONES: Readonly<Record<Difference, string>> = { ADDED: 'good', REMOVED: 'bad', CHANGED: 'warn' };
const RECENT = 40; // positions shown before all are asked for

export function Differences({ diff, place, urn, all }: { diff: Diff; place: Place; urn: string; all: boolean }) {
  const edges = (all ? [...diff.edges] : diff.edges.filter((edge) => edge.type !== 'INDIRECT')).sort((left, right) => weight(left) - weight(right));
  const aside = diff.edges.length - edges.length;
  const none = diff.nodes.length + diff.edges.length + diff.facts.length === 0;
  return (
    <>
      {!none && (
        <p className="summary">
          <span>{parts(diff, edges.length, aside)}<span className="soft"> between positions {number(diff.from)} and {number(diff.to)}</span></span>
          <button type="button" onClick={() => download(`differences-${label(urn)}.csv`, differencesCsv(diff))}>Download differences as CSV</button>
        </p>
      )}
      <Notes of={diff.completeness} />
      {diff.positions.length > 0 && <Positions positions={diff.positions} place={place} />}
      {none && <Empty title={`Nothing is different between positions ${number(diff.from)} and ${number(diff.to)}`}>{diff.positions.length > 0 ? 'What changed in between was changed back.' : 'Its lineage and the facts on the way are the same.'}</Empty>}
      {diff.facts.length > 0 && (
        <>
          <h3>Facts</h3>
          <Table caption="Different facts" head={['Entity', 'Fact', 'Before and after', 'Since']}>
            {diff.facts.map((fact) => (
              <tr key={`${fact.urn} ${fact.fact}`}>
                <td className="wrap"><Named urn={fact.urn} /> <Kind kind={parseUrn(fact.urn)?.kind ?? ''} /></td>
                <td className="wrap">{words(fact.fact)}</td>
                <td className="wrap wide"><Change before={fact.before} after={fact.after} /></td>
                <td>{fact.since !== null && <EntryLink index={fact.since - 1} />}</td>
              </tr>
            ))}
          </Table>
        </>
      )}
      {edges.length > 0 && (
        <>
          <h3>How it is made</h3>
          <Table caption="Different lineage" head={['Change', 'What is made', 'Of what', 'How', 'Since']}>
            {edges.map((edge, row) => (
              <tr key={row}>
                <td className="mark-cell"><Mark change={edge.change} /></td>
                <td className="wrap end"><End urn={edge.downstream} /></td>
                <td className="wrap end"><End urn={edge.upstream} />{edge.type === 'INDIRECT' && <span className="soft"> by {kindWord(edge.subtype ?? 'filter or join')}</span>}</td>
                <td className="wrap wide"><How edge={edge} from={diff.from} /></td>
                <td>{(edge.after ?? edge.before) !== null && <EntryLink index={(edge.after ?? edge.before)!.openedBy} />}</td>
              </tr>
            ))}
          </Table>
        </>
      )}
      {diff.nodes.length > 0 && (
        <>
          <h3>Entities on the way</h3>
          <Table caption="Entities that came or went" head={['Change', 'Entity', 'Kind']}>
            {diff.nodes.map((node, row) => (
              <tr key={node.urn ?? row}>
                <td className="mark-cell"><Mark change={node.change} /></td>
                <td className="wrap end"><End urn={node.urn} /></td>
                <td><Kind kind={node.kind} /></td>
              </tr>
            ))}
          </Table>
        </>
      )}
    </>
  );
}

/** What is computed otherwise comes first, what only new code says the same of comes last. */
function weight(edge: Edge): number {
  return edge.change !== 'CHANGED' ? 1 : edge.before?.expression === edge.after?.expression && edge.before?.version === edge.after?.version ? 2 : 0;
}

function parts(diff: Diff, edges: number, aside: number): string {
  const lineage = edges > 0 || aside > 0 ? count(edges, 'way it is made', 'ways it is made') + (aside > 0 ? ` (and ${number(aside)} by filter, join or grouping)` : '') : null;
  const said = [diff.facts.length > 0 ? count(diff.facts.length, 'fact') : null, lineage, diff.nodes.length > 0 ? count(diff.nodes.length, 'entity', 'entities') : null];
  return said.filter((part) => part !== null).join(', ');
}

function Mark({ change }: { change: Difference }) {
  return <span className={`status status-${TONES[change]}`}>{change.toLowerCase()}</span>;
}

function End({ urn }: { urn: string | null }) {
  return urn === null ? <span className="soft">restricted</span> : <Named urn={urn} />;
}

/** Both sides where both are there; the same expression by other code is said in words. */
function How({ edge, from }: { edge: Edge; from: number }) {
  if (edge.restricted) return <span className="soft">outside your grants</span>;
  const { before, after } = edge;
  const now = after ?? before;
  const by = now !== null && now.expression === null && now.via !== null ? <span className="soft">by <Named urn={now.via} /> </span> : null;
  const older = edge.change === 'ADDED' && after !== null && after.since <= from ? <span className="soft">was so before, and is on the way now </span> : null;
  const place = now !== null && now.file !== null && now.line !== null ? <Line urn={edge.downstream ?? ''} file={now.file} line={now.line} /> : null;
  if (before !== null && after !== null && before.expression === after.expression) {
    return <>{after.expression !== null && <code>{after.expression}</code>} {by}<span className="soft">{same(before, after)}</span> {place}</>;
  }
  return <><Sides before={before?.expression ?? null} after={after?.expression ?? null} />{by}{older}{place}</>;
}

/** The line itself stands in the trace of what it computes. */
export function Line({ urn, file, line }: { urn: string; file: string; line: number }) {
  const text = <code>{file}:{line}</code>;
  return pagesOf(urn).some((each) => each.page === 'trace') ? <Named urn={urn} page="trace">{text}</Named> : text;
}

function same(before: SideFragment, after: SideFragment): string {
  if (before.version !== after.version) return `pinned version ${before.version ?? 'none'} → ${after.version ?? 'none'}`;
  if (before.file === after.file && before.line !== after.line && before.line !== null && after.line !== null) return `the same, by new code: line ${before.line} → ${after.line}`;
  return before.transformation === after.transformation ? 'the same, said anew' : 'the same, by new code';
}

function Positions({ positions, place }: { positions: readonly number[]; place: Place }) {
  const at = positionOf(place);
  const links = (which: readonly number[]) => which.map((position) => (
    <li key={position}><Link to={changed(place, { at: position })} aria-current={position === at ? 'true' : undefined}>{position}<span className="unseen"> as of this position</span></Link></li>
  ));
  const recent = positions.slice(-RECENT);
  return (
    <>
      <h3>Its own lineage changed at position</h3>
      <ul className="inline positions" aria-label="Positions at which its own lineage changed">{links(recent)}</ul>
      {positions.length > RECENT && <details><summary className="soft">{count(positions.length - RECENT, 'earlier position')}</summary><ul className="inline positions" aria-label="Earlier positions">{links(positions.slice(0, -RECENT))}</ul></details>}
    </>
  );
}

function differencesCsv(diff: Diff): string {
  const side = (said: SideFragment | null) => said && [said.expression ?? '', said.file === null ? '' : `${said.file}:${said.line ?? ''}`].filter((part) => part !== '').join('  ');
  const text = (value: unknown) => (value === null || value === undefined ? null : shown(value));
  return csv(['what', 'change', 'entity', 'of', 'fact or use', 'before', 'after', 'entry', 'commit'], [
    ...diff.facts.map((fact) => ['fact', 'changed', fact.urn, null, fact.fact, text(fact.before), text(fact.after), fact.since === null ? null : fact.since - 1, null]),
    ...diff.edges.map((edge) => ['lineage', edge.change.toLowerCase(), edge.downstream ?? 'restricted', edge.upstream ?? 'restricted', edge.subtype ?? edge.type, side(edge.before), side(edge.after), (edge.after ?? edge.before)?.openedBy, (edge.after ?? edge.before)?.commit]),
    ...diff.nodes.map((node) => ['entity', node.change.toLowerCase(), node.urn ?? 'restricted', null, kindWord(node.kind), null, null, null, null]),
  ]);
}
