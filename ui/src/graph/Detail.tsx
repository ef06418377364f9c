// What is known of the locked card or column, beside the picture.
import { Kind, Link, Named, Name } from '../parts/basics';
import { href, positionOf, usePlace } from '../url';
import { datasetOf, label } from '../urn';
import { pagesOf } from '../views/EntityFrame';
import type { Graph, GraphEdge } from './merge';

const FEW = 12;

export function Detail({ graph, id, close }: { graph: Graph; id: string; close: () => void }) {
  const place = usePlace();
  const at = positionOf(place);
  const node = graph.nodes.get(id);
  const urn = node === undefined ? id : node.urn;
  const own = (end: string) => end === id || datasetOf(end) === id;
  const above = graph.edges.filter((edge) => own(edge.target));
  const below = graph.edges.filter((edge) => own(edge.source));
  return (
    <aside className="detail" aria-label="Chosen in the graph">
      <header>
        <Kind kind={node?.kind ?? 'DATASET'} />
        <button type="button" className="quiet" onClick={close} aria-label="Close and unlock the path">Close</button>
      </header>
      {urn === null ? <p className="soft">Restricted: on the path, outside your grants.</p> : (
        <>
          <h2><Name name={node?.kind === 'COLUMN' || node === undefined ? label(urn) : (node.name ?? label(urn))} /></h2>
          <nav className="detail-links" aria-label="Views of the chosen entity">{pagesOf(urn).map(({ page, title }) => <Link key={page} to={href(page, { urn, at })}>{title}</Link>)}</nav>
        </>
      )}
      {node?.description && <p>{node.description}</p>}
      {node && node.owners.length > 0 && <p className="soft">{node.owners.join(', ')}</p>}
      <Edges title="Made from" edges={above} end="source" />
      <Edges title="Goes into" edges={below} end="target" />
    </aside>
  );
}

function Edges({ title, edges, end }: { title: string; edges: readonly GraphEdge[]; end: 'source' | 'target' }) {
  if (edges.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <ul className="plain">
        {edges.slice(0, FEW).map((edge) => (
          <li key={edge.id} className={edge.type === 'INDIRECT' ? 'detail-edge indirect' : 'detail-edge'}>
            {edge[end].startsWith('urn:') ? <Named urn={edge[end]} page="lineage" /> : <span className="soft">restricted</span>}
            {edge.subtype !== null && edge.subtype !== 'IDENTITY' && <span className="soft"> {edge.subtype.toLowerCase().replaceAll('_', ' ')}</span>}
            {edge.expression !== null && <code className="expression">{edge.expression}</code>}
            <span className="soft detail-where">
              {edge.file !== null && <code>{edge.file}{edge.line !== null && `:${edge.line}`}</code>}
              {edge.commit !== null && <> <Named urn={edge.commit} /></>} since {edge.from}
            </span>
          </li>
        ))}
        {edges.length > FEW && <li className="soft">and {edges.length - FEW} more</li>}
      </ul>
    </>
  );
}
