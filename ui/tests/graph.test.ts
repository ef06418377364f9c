import { describe, expect, test } from 'vitest';
import type { EdgeFragment, NodeFragment } from '../src/api/schema';
import { picture } from '../src/graph/cards';
import { direct, merge, pathThrough, type Answered } from '../src/graph/merge';
import { GAP_Y, place, type Sized } from '../src/graph/place';

function node(name: string | null, more: Partial<NodeFragment> = {}): NodeFragment {
  return { urn: name === null ? null : `urn:lineproof:dataset:ns:${name}`, kind: 'DATASET', namespace: 'ns', name, distance: 0, hiddenUpstream: 0, hiddenDownstream: 0, restricted: name === null, owners: [], description: null, tags: [], classification: null, dropped: false, ...more };
}

function column(dataset: string, name: string, more: Partial<NodeFragment> = {}): NodeFragment {
  return node(name, { urn: `urn:lineproof:column:ns:${dataset}:${name}`, kind: 'COLUMN', ...more });
}

function edge(upstream: number, downstream: number, more: Partial<EdgeFragment> = {}): EdgeFragment {
  return { upstream, downstream, level: 'ASSET', from: 1, to: null, openedBy: 0, basis: 'lineage', via: null, transformation: null, commit: null, type: null, subtype: null, expression: null, file: null, line: null, column: null, parser: null, status: null, version: null, ...more };
}

const urn = (name: string) => `urn:lineproof:dataset:ns:${name}`;
const around: Answered = { roots: [{ urn: urn('b'), why: 'itself' }], nodes: [node('b'), node('a', { hiddenUpstream: 2 }), node('c', { hiddenDownstream: 1 })], edges: [edge(1, 0), edge(0, 2)] };
const above: Answered = { roots: [], nodes: [node('a'), node('x', { hiddenDownstream: 3 }), node('y')], edges: [edge(1, 0), edge(2, 0)] };

describe('merging answers', () => {
  test('an expansion joins by URN and uses up the hidden counts', () => {
    const graph = merge([around, above]);
    expect([...graph.nodes.keys()]).toEqual(['b', 'a', 'c', 'x', 'y'].map(urn));
    expect(graph.nodes.get(urn('a'))).toMatchObject({ hiddenUpstream: 0, hiddenDownstream: 0 });
    expect(graph.nodes.get(urn('x'))).toMatchObject({ hiddenDownstream: 3 });
    expect(graph.nodes.get(urn('c'))).toMatchObject({ hiddenDownstream: 1 });
    expect(graph.edges).toHaveLength(4);
    expect(graph.roots).toEqual([urn('b')]);
  });

  test('the same answer twice is the same graph', () => {
    expect(merge([around, around])).toEqual(merge([around]));
  });

  test('restricted nodes of two answers stay two placeholders', () => {
    const hidden: Answered = { roots: [], nodes: [node('a'), node(null)], edges: [edge(1, 0)] };
    expect([...merge([hidden, hidden]).nodes.keys()].filter((id) => id.startsWith('restricted'))).toHaveLength(2);
  });

  test('without filters and joins only what values come from is left', () => {
    const answer: Answered = { roots: [{ urn: column('t', 'a').urn!, why: 'itself' }], nodes: [column('t', 'a'), column('s', 'b'), column('s', 'key'), column('r', 'c')], edges: [edge(1, 0, { type: 'DIRECT' }), edge(2, 0, { type: 'INDIRECT' }), edge(3, 2, { type: 'DIRECT' })] };
    const graph = direct(merge([answer]), new Set());
    expect([...graph.nodes.keys()]).toEqual([column('t', 'a').urn, column('s', 'b').urn]);
    expect(graph.edges).toHaveLength(1);
    expect([...direct(merge([answer]), new Set([column('r', 'c').urn!])).nodes.keys()]).toHaveLength(4);
  });
});

test('a path is what is upstream and what is downstream, not what is beside', () => {
  const edges = [['a', 'b'], ['b', 'c'], ['a', 'x'], ['y', 'c']].map(([source, target]) => ({ id: `${source}${target}`, source: source!, target: target! }));
  const lit = pathThrough(edges, ['b']);
  expect([...lit.nodes].sort()).toEqual(['a', 'b', 'c']);
  expect([...lit.edges].sort()).toEqual(['ab', 'bc']);
  expect(pathThrough([...edges, { id: 'ca', source: 'c', target: 'a' }], ['b']).nodes.size).toBe(5);
});

test('columns are rows of the card of their dataset', () => {
  const graph = merge([{ roots: [{ urn: column('t', 'a').urn!, why: 'itself' }], nodes: [column('t', 'a'), column('s', 'z'), column('s', 'b'), node('m', { kind: 'MODEL_VERSION', urn: 'urn:lineproof:model-version:ns:m:1' })], edges: [edge(1, 0, { type: 'DIRECT' }), edge(2, 0, { type: 'INDIRECT' }), edge(0, 3)] }]);
  const shown = picture(graph);
  expect([...shown.cards.values()].map((card) => [card.title, card.rows.map((row) => row.name), card.root])).toEqual([['m v1', [], false], ['t', ['a'], true], ['s', ['b', 'z'], false]]);
  expect(shown.wires.map((wire) => [wire.sourceRow !== null, wire.targetRow !== null, wire.indirect])).toEqual([[true, true, false], [true, true, true], [true, false, false]]);
});

describe('placing', () => {
  const card = (id: string, height = 54): Sized => ({ id, width: 248, height });
  const overlap = (cards: readonly Sized[], spots: ReadonlyMap<string, { x: number; y: number }>) => cards.flatMap((one, at) => cards.slice(at + 1).filter((two) => {
    const [left, right] = [spots.get(one.id)!, spots.get(two.id)!];
    return left.x < right.x + two.width && right.x < left.x + one.width && left.y < right.y + two.height && right.y < left.y + one.height;
  }).map((two) => `${one.id} ${two.id}`));

  test('what is there stays, what is new overlaps nothing and stands on its side', () => {
    const known = new Map([['a', { x: 0, y: 0 }], ['b', { x: 344, y: 10 }], ['c', { x: -344, y: 40 }]]);
    const cards = [card('a'), card('b', 300), card('c'), ...Array.from({ length: 30 }, (_, number) => card(`u${number}`, 54 + (number % 4) * 40)), ...Array.from({ length: 30 }, (_, number) => card(`d${number}`))];
    const links = [{ source: 'a', target: 'b' }, { source: 'c', target: 'a' }, ...Array.from({ length: 30 }, (_, number) => ({ source: `u${number}`, target: 'a' })), ...Array.from({ length: 30 }, (_, number) => ({ source: 'a', target: `d${number}` }))];
    const spots = place(cards, links, known);
    for (const [id, spot] of known) expect(spots.get(id)).toEqual(spot);
    expect(overlap(cards, spots)).toEqual([]);
    for (let number = 0; number < 30; number += 1) {
      expect(spots.get(`u${number}`)!.x).toBeLessThan(0);
      expect(spots.get(`d${number}`)!.x).toBeGreaterThan(0);
    }
  });

  test('chains, cycles and cards tied to nothing all get a spot', () => {
    const cards = ['a', 'b', 'c', 'd', 'e'].map((id) => card(id));
    const spots = place(cards, [{ source: 'a', target: 'b' }, { source: 'b', target: 'c' }, { source: 'c', target: 'a' }, { source: 'e', target: 'e' }], new Map([['a', { x: 0, y: 0 }]]));
    expect(spots.size).toBe(5);
    expect(overlap(cards, spots)).toEqual([]);
  });

  test('an empty picture gets spots too', () => {
    expect(place([], [], new Map()).size).toBe(0);
    expect(place([card('a')], [], new Map()).get('a')).toEqual({ x: 0, y: 0 });
    expect(GAP_Y).toBeGreaterThan(0);
  });
});
