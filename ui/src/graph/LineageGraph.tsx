// The picture. It is laid out once by ELK; afterwards cards keep their places and new ones find free space, so that nothing jumps.
import '@xyflow/react/dist/style.css';
import { Background, Controls, ReactFlow, ReactFlowProvider, useReactFlow } from '@xyflow/react';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { isTyping, useKey } from '../parts/basics';
import { picture, type Picture } from './cards';
import { CardActionsContext, CardNode, type CardActions, type CardNodeType } from './CardNode';
import { Detail } from './Detail';
import { layered, type Layout } from './elk';
import { Light, LightContext, type Lit } from './light';
import { pathThrough, type Graph } from './merge';
import { place, type Spots } from './place';
import { WireEdge, type WireEdgeType } from './WireEdge';

const NODE_TYPES = { card: CardNode };
const EDGE_TYPES = { wire: WireEdge };
const MOVE_MS = 220;

interface Props {
  readonly graph: Graph;
  readonly busy: boolean;
  readonly focus: string | null;
  readonly onFocus: (id: string | null) => void;
  readonly onExpand: (id: string, direction: 'UPSTREAM' | 'DOWNSTREAM') => void;
}

/** ELK's way around other cards holds as long as both ends stand where ELK put them. */
function routeOf(wire: { source: string; target: string }, spots: Spots | null, laid: Layout | null) {
  const route = laid?.routes.get(`${wire.source}>${wire.target}`);
  const stands = (id: string) => spots?.get(id)?.x === laid?.spots.get(id)?.x && spots?.get(id)?.y === laid?.spots.get(id)?.y;
  return route !== undefined && stands(wire.source) && stands(wire.target) ? route : null;
}

export function LineageGraph(props: Props) {
  return <ReactFlowProvider><Canvas {...props} /></ReactFlowProvider>;
}

function Canvas({ graph, busy, focus, onFocus, onExpand }: Props) {
  const shown = useMemo(() => picture(graph), [graph]);
  const [spots, setSpots] = useState<Spots | null>(null);
  const [laid, setLaid] = useState<Layout | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [light] = useState(() => new Light());
  const flow = useReactFlow<CardNodeType, WireEdgeType>();
  const started = useRef(false);
  const calm = useMemo(() => matchMedia('(prefers-reduced-motion: reduce)').matches, []);

  const tidy = useCallback(async (what: Picture) => {
    try {
      const layout = await layered([...what.cards.values()], what.wires);
      setSpots(layout.spots);
      setLaid(layout);
      setProblem(null);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      setSpots(place([...what.cards.values()], what.wires, new Map()));
    }
    requestAnimationFrame(() => void flow.fitView({ padding: 0.12, maxZoom: 1.1, duration: started.current && !calm ? MOVE_MS : 0 }));
    started.current = true;
  }, [flow, calm]);

  useEffect(() => {
    if (shown.cards.size === 0) return;
    if (spots === null) {
      if (!busy) void tidy(shown);
    } else setSpots((before) => place([...shown.cards.values()], shown.wires, before ?? new Map()));
  }, [shown, busy]);

  const nodes = useMemo<CardNodeType[]>(() => (spots === null ? [] : [...shown.cards.values()].flatMap((card) => {
    const spot = spots.get(card.id);
    return spot ? [{ id: card.id, type: 'card' as const, position: spot, data: { card }, width: card.width, height: card.height }] : [];
  })), [shown, spots]);
  const edges = useMemo<WireEdgeType[]>(() => shown.wires.map((wire) => ({ id: wire.id, type: 'wire' as const, source: wire.source, target: wire.target, sourceHandle: wire.sourceRow, targetHandle: wire.targetRow, data: { wire, route: routeOf(wire, spots, laid) } })), [shown, spots, laid]);

  const through = useCallback((ids: readonly string[]): Lit => {
    const links = shown.wires.map((wire) => ({ id: wire.id, source: wire.sourceRow ?? wire.source, target: wire.targetRow ?? wire.target }));
    const lit = pathThrough(links, ids);
    for (const wire of shown.wires) {
      if (lit.edges.has(wire.id)) {
        lit.nodes.add(wire.source);
        lit.nodes.add(wire.target);
      }
    }
    for (const card of shown.cards.values()) if (card.rows.some((row) => ids.includes(row.id))) lit.nodes.add(card.id);
    return lit;
  }, [shown]);

  const locked = useMemo(() => {
    if (focus === null) return null;
    const card = shown.cards.get(focus);
    if (card) return card.node === null ? card.rows.map((row) => row.id) : [card.id];
    return graph.nodes.has(focus) ? [focus] : null;
  }, [focus, shown, graph]);
  useEffect(() => light.set(locked === null ? null : through(locked)), [locked, through, light]);
  useKey('Escape', (event) => {
    if (!isTyping(event.target)) onFocus(null);
  });

  const actions = useMemo<CardActions>(() => ({
    expand: onExpand,
    hover: (ids) => {
      if (locked === null) light.set(ids === null ? null : through(ids));
    },
    lock: (ids) => {
      const id = ids.length === 1 ? ids[0]! : [...shown.cards.values()].find((card) => card.rows.some((row) => row.id === ids[0]))?.id;
      onFocus(id === undefined || id === focus ? null : id);
    },
    step: (from, direction) => {
      const here = spots?.get(from);
      if (!here || !spots) return;
      const options = [...shown.cards.keys()].flatMap((id) => {
        const spot = spots.get(id);
        if (!spot || id === from) return [];
        const [along, across] = direction === 'left' ? [here.x - spot.x, spot.y - here.y] : direction === 'right' ? [spot.x - here.x, spot.y - here.y] : direction === 'up' ? [here.y - spot.y, spot.x - here.x] : [spot.y - here.y, spot.x - here.x];
        return along > 8 ? [{ id, far: along + 2 * Math.abs(across) }] : [];
      });
      options.sort((left, right) => left.far - right.far);
      const next = options[0]?.id;
      if (next === undefined) return;
      const spot = spots.get(next)!;
      const card = shown.cards.get(next)!;
      document.querySelector<HTMLElement>(`[data-card="${CSS.escape(next)}"]`)?.focus({ preventScroll: true });
      void flow.setCenter(spot.x + card.width / 2, spot.y + card.height / 2, { zoom: flow.getZoom(), duration: calm ? 0 : MOVE_MS });
    },
  }), [onExpand, onFocus, through, locked, light, shown, spots, focus, flow, calm]);

  return (
    <div className={focus === null || locked === null ? 'canvas' : 'canvas canvas-split'}>
      <div className="canvas-flow" role="region" aria-label="Lineage graph" aria-busy={busy} data-laid={spots !== null}>
        <LightContext.Provider value={light}>
          <CardActionsContext.Provider value={actions}>
            <ReactFlow
              nodes={nodes}
              edges={edges}
              nodeTypes={NODE_TYPES}
              edgeTypes={EDGE_TYPES}
              nodesDraggable
              nodesConnectable={false}
              nodesFocusable={false}
              edgesFocusable={false}
              elementsSelectable={false}
              disableKeyboardA11y
              onlyRenderVisibleElements={nodes.length > 120}
              minZoom={0.01}
              maxZoom={1.8}
              onNodeDragStop={(_, node) => setSpots((before) => new Map(before ?? []).set(node.id, node.position))}
              onNodesChange={(changes) => {
                const moves = changes.flatMap((change) => (change.type === 'position' && change.position ? [change] : []));
                if (moves.length > 0) setSpots((before) => moves.reduce((map, move) => map.set(move.id, move.position!), new Map(before ?? [])));
              }}
              onEdgeMouseEnter={(_, edge) => { if (locked === null) light.set({ nodes: new Set([edge.source, edge.target, edge.sourceHandle ?? '', edge.targetHandle ?? '']), edges: new Set([edge.id]) }); }}
              onEdgeMouseLeave={() => { if (locked === null) light.set(null); }}
              onEdgeClick={(_, edge) => onFocus(edge.data?.wire.targetRow ?? edge.target)}
              onPaneClick={() => onFocus(null)}
              proOptions={ATTRIBUTION}
            >
              <Background gap={24} size={1} />
              <Controls showInteractive={false} />
            </ReactFlow>
          </CardActionsContext.Provider>
        </LightContext.Provider>
        <div className="canvas-tools">
          <button type="button" onClick={() => void tidy(shown)} title="Lay the graph out anew">Tidy</button>
          {problem !== null && <span className="problem">{problem}</span>}
        </div>
      </div>
      {focus !== null && locked !== null && <Detail graph={graph} id={focus} close={() => onFocus(null)} />}
    </div>
  );
}

const ATTRIBUTION = { hideAttribution: false };
