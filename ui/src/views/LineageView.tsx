import { useMemo } from 'react';
import { useAskAll } from '../api/client';
import type { Direction, Level } from '../api/schema';
import { LineageGraph } from '../graph/LineageGraph';
import { direct, merge, type Graph } from '../graph/merge';
import { Empty, Failed, Loading, Named, Notes } from '../parts/basics';
import { Table } from '../parts/table';
import { csv, download } from '../csv';
import { count } from '../text';
import { changed, navigate, positionOf, type Place } from '../url';
import { datasetOf, kindWord, label, parseUrn } from '../urn';
import { BASES } from '../words';

const DEPTHS = ['1', '2', '3', 'all'] as const;
const PICTURE_LIMIT = 600; // cards beyond this are for the table: nobody reads such a picture

export default function LineageView({ place, urn }: { place: Place; urn: string }) {
  const at = positionOf(place);
  const position = at === null ? null : { size: at };
  const kind = parseUrn(urn)?.kind;
  const level: Level = kind === 'column' || place.params.get('level') === 'column' ? 'COLUMN' : 'ASSET';
  const direction: Direction = place.params.get('direction') === 'up' ? 'UPSTREAM' : place.params.get('direction') === 'down' ? 'DOWNSTREAM' : 'BOTH';
  const depth = (DEPTHS as readonly string[]).includes(place.params.get('depth') ?? '') ? place.params.get('depth')! : '1';
  const indirect = place.params.get('indirect') === '1';
  const opened = useMemo(() => place.params.getAll('open').flatMap(parseOpened), [place]);
  const focus = place.params.get('focus');
  const answers = useAskAll('Lineage', [
    { urn, direction, depth: depth === 'all' ? null : Number(depth), level, at: position },
    ...opened.map((each) => ({ urn: each.urn, direction: each.direction, depth: 1, level, at: position })),
  ]);
  const ready = answers.filter((answer) => answer.data !== undefined);
  const key = answers.map((answer) => `${answer.data?.lineage.computedAt.rootHash ?? ''}${answer.data === undefined ? '' : 1}`).join();
  const graph = useMemo(() => {
    const merged = merge(answers.flatMap((answer, number) => (answer.data === undefined ? [] : [number === 0 ? answer.data.lineage : { ...answer.data.lineage, roots: [] }])));
    return { whole: merged, shown: level === 'COLUMN' && !indirect ? direct(merged, new Set(opened.map((each) => each.urn))) : merged };
  }, [key, level, indirect, opened, urn]);
  const first = answers[0]!;
  const failed = answers.find((answer) => answer.error !== undefined);
  const table = place.params.get('view') === 'table';
  const set = (params: Parameters<typeof changed>[1]) => navigate(changed(place, params), true);
  const aside = graph.whole.edges.length - graph.shown.edges.length;

  return (
    <>
      <form className="controls" onSubmit={(event) => event.preventDefault()}>
        <Choice legend="Show as" options={[['', 'Graph'], ['table', 'Table']]} value={table ? 'table' : ''} choose={(view) => set({ view })} />
        {kind !== 'column' && <Choice legend="Level" options={[['', 'Assets'], ['column', 'Columns']]} value={level === 'COLUMN' ? 'column' : ''} choose={(value) => set({ level: value, open: null, focus: null })} />}
        <Choice legend="Direction" options={[['up', 'Upstream'], ['', 'Both'], ['down', 'Downstream']]} value={place.params.get('direction') ?? ''} choose={(value) => set({ direction: value, open: null })} />
        <label>Hops <select value={depth} onChange={(event) => set({ depth: event.target.value === '1' ? null : event.target.value })}>{DEPTHS.map((each) => <option key={each} value={each}>{each}</option>)}</select></label>
        {level === 'COLUMN' && <label className="check"><input type="checkbox" checked={indirect} onChange={(event) => set({ indirect: event.target.checked ? '1' : null })} /> filters and joins{!indirect && aside > 0 && <span className="soft"> ({aside} hidden)</span>}</label>}
        <button type="button" onClick={() => download(`lineage-${label(urn)}.csv`, lineageCsv(graph.shown))} disabled={graph.shown.edges.length === 0}>Download CSV</button>
      </form>
      {failed?.error && <Failed error={failed.error} again={failed.again} />}
      {first.data && <Notes of={first.data.lineage.completeness} />}
      {ready.length === 0 && !failed ? <Loading what="lineage" rows={6} />
        : first.data && graph.shown.nodes.size === 0 ? <Empty title={level === 'COLUMN' ? 'No column lineage is known here' : 'No lineage is known here'}>No run has said what it is made of, or what is made of it{at !== null && ' up to this position'}.</Empty>
          : first.data && (
            <>
              {standsFor(first.data.lineage.roots, urn) !== null && <p className="soft">{standsFor(first.data.lineage.roots, urn)}</p>}
              {graph.shown.edges.length === 0 && aside > 0 && <p className="soft">Only filters and joins lead here; show them to see the {aside}.</p>}
              {table || graph.shown.nodes.size > PICTURE_LIMIT ? (
                <>
                  {!table && <p className="warning">{count(graph.shown.nodes.size, 'node')}: too many to read as a picture, so this is the table.</p>}
                  <LineageTable graph={graph.shown} />
                </>
              ) : (
                <LineageGraph
                  key={`${urn} ${level}`}
                  graph={graph.shown}
                  busy={answers.some((answer) => answer.loading)}
                  focus={focus}
                  onFocus={(id) => set({ focus: id })}
                  onExpand={(id, towards) => set({ open: [...place.params.getAll('open'), `${towards === 'UPSTREAM' ? 'u' : 'd'}~${id}`] })}
                />
              )}
            </>
          )}
    </>
  );
}

/** Which entities the walk started at, when it is not the asked one: a feature stands for its live versions. A dataset's own columns go without saying. */
function standsFor(roots: readonly { urn: string; why: string }[], urn: string): string | null {
  const others = roots.filter((root) => root.urn !== urn && datasetOf(root.urn) !== urn);
  if (others.length === 0) return null;
  return `Stands for ${others.slice(0, 4).map((root) => `${label(root.urn)} (${root.why})`).join(', ')}${others.length > 4 ? ` and ${others.length - 4} more` : ''}.`;
}

function parseOpened(text: string): { urn: string; direction: Direction }[] {
  const [side, ...rest] = text.split('~');
  const urn = rest.join('~');
  return urn.startsWith('urn:') && (side === 'u' || side === 'd') ? [{ urn, direction: side === 'u' ? 'UPSTREAM' : 'DOWNSTREAM' }] : [];
}

function Choice({ legend, options, value, choose }: { legend: string; options: readonly (readonly [string, string])[]; value: string; choose: (value: string | null) => void }) {
  return (
    <span className="choice" role="group" aria-label={legend}>
      {options.map(([each, title]) => <button key={each} type="button" aria-pressed={each === value} onClick={() => choose(each === '' ? null : each)}>{title}</button>)}
    </span>
  );
}

export function lineageCsv(graph: Graph): string {
  const name = (id: string) => graph.nodes.get(id);
  return csv(
    ['upstream', 'upstream kind', 'upstream owners', 'downstream', 'downstream kind', 'downstream owners', 'level', 'type', 'subtype', 'expression', 'file', 'line', 'via', 'commit', 'basis', 'visible from', 'visible to', 'opened by entry'],
    graph.edges.map((edge) => {
      const from = name(edge.source);
      const to = name(edge.target);
      return [from?.urn ?? 'restricted', from?.kind, from?.owners, to?.urn ?? 'restricted', to?.kind, to?.owners, edge.level, edge.type, edge.subtype, edge.expression, edge.file, edge.line, edge.via, edge.commit, edge.basis, edge.from, edge.to, edge.openedBy];
    }),
  );
}

function LineageTable({ graph }: { graph: Graph }) {
  const nodes = [...graph.nodes.values()].sort((left, right) => left.distance - right.distance || (left.name ?? '').localeCompare(right.name ?? ''));
  return (
    <>
      <Table caption="Entities" head={['Hops', 'Entity', 'Kind', 'Namespace', 'Owners', 'Not shown']}>
        {nodes.map((node) => (
          <tr key={node.id}>
            <td className="figure">{node.distance}</td>
            <td>{node.urn === null ? <span className="soft">restricted</span> : <Named urn={node.urn} page="lineage" />}{node.dropped && <span className="status status-warn">dropped</span>}</td>
            <td>{kindWord(node.kind)}</td>
            <td className="soft">{node.namespace}</td>
            <td>{node.owners.join(', ')}</td>
            <td className="soft">{[node.hiddenUpstream > 0 ? `${node.hiddenUpstream} upstream` : '', node.hiddenDownstream > 0 ? `${node.hiddenDownstream} downstream` : ''].filter((each) => each !== '').join(', ')}</td>
          </tr>
        ))}
      </Table>
      <Table caption="Edges" head={['From', 'To', 'How', 'Where', 'Commit', 'Since']}>
        {graph.edges.map((edge) => (
          <tr key={edge.id} className={edge.type === 'INDIRECT' ? 'indirect' : undefined}>
            <td>{edge.source.startsWith('urn:') ? <Named urn={edge.source} /> : <span className="soft">restricted</span>}</td>
            <td>{edge.target.startsWith('urn:') ? <Named urn={edge.target} /> : <span className="soft">restricted</span>}</td>
            <td className="wrap">{edge.expression !== null ? <code>{edge.expression}</code> : <span className="soft">{edge.subtype !== null ? edge.subtype.toLowerCase().replaceAll('_', ' ') : (BASES[edge.basis] ?? edge.basis)}</span>}</td>
            <td>{edge.file !== null && <code>{edge.file}{edge.line !== null && `:${edge.line}`}</code>}</td>
            <td>{edge.commit !== null && <Named urn={edge.commit} />}</td>
            <td className="figure">{edge.from}</td>
          </tr>
        ))}
      </Table>
    </>
  );
}
