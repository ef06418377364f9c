// What the picture shows: a card per dataset, model or consumer; at column level the columns are rows of their dataset's card.
import { datasetOf, label, lastOf, parseUrn, pathOf } from '../urn';
import type { Graph, GraphNode } from './merge';

export const CARD_WIDTH = 248;
export const HEAD_HEIGHT = 54;
export const ROW_HEIGHT = 26;

export interface Card {
  readonly id: string;
  readonly kind: string;
  readonly title: string;
  readonly path: string;
  /** The entity that the card itself stands for; null for a dataset that is only there through its columns. */
  readonly node: GraphNode | null;
  readonly rows: readonly GraphNode[];
  readonly root: boolean;
  readonly width: number;
  readonly height: number;
}

export interface Wire {
  readonly id: string;
  readonly source: string;
  readonly target: string;
  /** Row ids where the wire ends at a row. */
  readonly sourceRow: string | null;
  readonly targetRow: string | null;
  readonly indirect: boolean;
  readonly edges: readonly number[];
}

export interface Picture {
  readonly cards: ReadonlyMap<string, Card>;
  readonly wires: readonly Wire[];
}

export function picture(graph: Graph): Picture {
  const groups = new Map<string, GraphNode[]>();
  const alone = new Map<string, GraphNode>();
  const home = new Map<string, string>();
  for (const node of graph.nodes.values()) {
    const dataset = node.kind === 'COLUMN' && node.urn !== null ? datasetOf(node.urn) : null;
    const card = dataset ?? node.id;
    home.set(node.id, card);
    if (dataset === null) alone.set(card, node);
    else groups.set(dataset, [...(groups.get(dataset) ?? []), node]);
  }
  const roots = new Set(graph.roots);
  const cards = new Map<string, Card>();
  for (const id of new Set([...alone.keys(), ...groups.keys()])) {
    const node = alone.get(id) ?? null;
    const rows = groups.get(id) ?? [];
    rows.sort((left, right) => (left.name ?? '').localeCompare(right.name ?? ''));
    cards.set(id, { ...titles(id, node, rows), id, node, rows, root: roots.has(id) || rows.some((row) => roots.has(row.id)), width: CARD_WIDTH, height: HEAD_HEIGHT + (rows.length > 0 ? rows.length * ROW_HEIGHT + 6 : 0) });
  }
  const wires = new Map<string, { wire: Omit<Wire, 'edges'>; edges: number[] }>();
  graph.edges.forEach((edge, position) => {
    const source = home.get(edge.source)!;
    const target = home.get(edge.target)!;
    const sourceRow = source === edge.source ? null : edge.source;
    const targetRow = target === edge.target ? null : edge.target;
    const indirect = edge.type === 'INDIRECT';
    const id = `${edge.source}>${edge.target}${indirect ? '~' : ''}`;
    const found = wires.get(id);
    if (found) found.edges.push(position);
    else wires.set(id, { wire: { id, source, target, sourceRow, targetRow, indirect }, edges: [position] });
  });
  return { cards, wires: [...wires.values()].map(({ wire, edges }) => ({ ...wire, edges })) };
}

function titles(id: string, node: GraphNode | null, rows: readonly GraphNode[]): { kind: string; title: string; path: string } {
  if (node?.restricted) return { kind: node.kind, title: 'Restricted', path: 'outside your grants' };
  const urn = parseUrn(id);
  const name = node?.name ?? urn?.parts[1] ?? id;
  if (node === null) return { kind: 'DATASET', title: lastOf(name), path: pathOf(name) || (rows[0]?.namespace ?? '') };
  if (node.kind === 'DATASET') return { kind: node.kind, title: lastOf(name), path: pathOf(name) || (node.namespace ?? '') };
  return { kind: node.kind, title: node.urn === null ? name : label(node.urn), path: node.namespace ?? '' };
}
