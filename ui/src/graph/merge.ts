// Answers of lineage joined into one graph: the root's neighbourhood, and one answer per expansion.
import type { EdgeFragment, NodeFragment } from '../api/schema';

export interface Answered {
  readonly roots: readonly { readonly urn: string; readonly why: string }[];
  readonly nodes: readonly NodeFragment[];
  readonly edges: readonly EdgeFragment[];
}

export interface GraphNode extends Omit<NodeFragment, 'hiddenUpstream' | 'hiddenDownstream'> {
  readonly id: string;
  /** Distinct neighbours that exist and are not in the graph. */
  readonly hiddenUpstream: number;
  readonly hiddenDownstream: number;
}

export interface GraphEdge extends EdgeFragment {
  readonly id: string;
  readonly source: string;
  readonly target: string;
}

export interface Graph {
  readonly roots: readonly string[];
  readonly nodes: ReadonlyMap<string, GraphNode>;
  readonly edges: readonly GraphEdge[];
}

/** Upstream is the source, downstream the target. A restricted node has no name, so it stays the placeholder of its answer. */
export function merge(answers: readonly Answered[]): Graph {
  const nodes = new Map<string, NodeFragment & { id: string; upstream: number; downstream: number }>();
  const edges = new Map<string, GraphEdge>();
  answers.forEach((answer, number) => {
    const ids = answer.nodes.map((node, position) => node.urn ?? `restricted:${number}:${position}`);
    const above = ids.map(() => new Set<string>());
    const below = ids.map(() => new Set<string>());
    for (const edge of answer.edges) {
      const source = ids[edge.upstream];
      const target = ids[edge.downstream];
      if (source === undefined || target === undefined) continue;
      above[edge.downstream]?.add(source);
      below[edge.upstream]?.add(target);
      const id = [source, target, edge.level, edge.type, edge.subtype, edge.via, edge.from].join('|');
      if (!edges.has(id)) edges.set(id, { ...edge, id, source, target });
    }
    answer.nodes.forEach((node, position) => {
      const id = ids[position]!;
      const upstream = node.hiddenUpstream + above[position]!.size;
      const downstream = node.hiddenDownstream + below[position]!.size;
      const known = nodes.get(id);
      if (known) {
        known.upstream = Math.max(known.upstream, upstream);
        known.downstream = Math.max(known.downstream, downstream);
      } else nodes.set(id, { ...node, id, upstream, downstream });
    });
  });
  const shownAbove = new Map<string, Set<string>>();
  const shownBelow = new Map<string, Set<string>>();
  for (const edge of edges.values()) {
    add(shownAbove, edge.target, edge.source);
    add(shownBelow, edge.source, edge.target);
  }
  const merged = new Map<string, GraphNode>();
  for (const { upstream, downstream, ...node } of nodes.values()) {
    merged.set(node.id, {
      ...node,
      hiddenUpstream: Math.max(0, upstream - (shownAbove.get(node.id)?.size ?? 0)),
      hiddenDownstream: Math.max(0, downstream - (shownBelow.get(node.id)?.size ?? 0)),
    });
  }
  return { roots: answers[0]?.roots.map((root) => root.urn) ?? [], nodes: merged, edges: [...edges.values()] };
}

function add<T>(map: Map<string, Set<T>>, key: string, value: T): void {
  const found = map.get(key);
  if (found) found.add(value);
  else map.set(key, new Set([value]));
}

/** Without the edges that only filter, join or group, and without what then hangs on nothing. `keep` stays in any case. */
export function direct(graph: Graph, keep: ReadonlySet<string>): Graph {
  const edges = graph.edges.filter((edge) => edge.type !== 'INDIRECT');
  const near = new Map<string, Set<string>>();
  for (const edge of edges) {
    add(near, edge.source, edge.target);
    add(near, edge.target, edge.source);
  }
  const reached = new Set<string>([...graph.roots, ...keep].filter((id) => graph.nodes.has(id)));
  const queue = [...reached];
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    for (const other of near.get(id) ?? []) {
      if (!reached.has(other)) {
        reached.add(other);
        queue.push(other);
      }
    }
  }
  const nodes = new Map([...graph.nodes].filter(([id]) => reached.has(id)));
  return { roots: graph.roots, nodes, edges: edges.filter((edge) => nodes.has(edge.source) && nodes.has(edge.target)) };
}

/** Everything upstream and downstream of one node along the edges shown: what a highlight lights. */
export function pathThrough(edges: readonly { id: string; source: string; target: string }[], start: readonly string[]): { nodes: Set<string>; edges: Set<string> } {
  const nodes = new Set<string>(start);
  const lit = new Set<string>();
  for (const forward of [true, false]) {
    const next = new Map<string, Set<{ id: string; other: string }>>();
    for (const edge of edges) add(next, forward ? edge.source : edge.target, { id: edge.id, other: forward ? edge.target : edge.source });
    const seen = new Set<string>(start);
    const queue = [...start];
    for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
      for (const { id: edge, other } of next.get(id) ?? []) {
        lit.add(edge);
        if (!seen.has(other)) {
          seen.add(other);
          nodes.add(other);
          queue.push(other);
        }
      }
    }
  }
  return { nodes, edges: lit };
}
