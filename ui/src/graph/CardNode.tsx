import { Handle, Position, type Node, type NodeProps } from '@xyflow/react';
import { createContext, memo, useContext } from 'react';
import { kindWord } from '../urn';
import { HEAD_HEIGHT, ROW_HEIGHT, type Card } from './cards';
import { useLight } from './light';
import type { GraphNode } from './merge';

export type CardNodeType = Node<{ card: Card }, 'card'>;

export interface CardActions {
  readonly expand: (id: string, direction: 'UPSTREAM' | 'DOWNSTREAM') => void;
  readonly hover: (ids: readonly string[] | null) => void;
  readonly lock: (ids: readonly string[]) => void;
  readonly step: (card: string, direction: 'left' | 'right' | 'up' | 'down') => void;
}

export const CardActionsContext = createContext<CardActions>({ expand: () => undefined, hover: () => undefined, lock: () => undefined, step: () => undefined });

const ARROWS: Readonly<Record<string, 'left' | 'right' | 'up' | 'down'>> = { ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down' };

export const CardNode = memo(function CardNode({ data: { card } }: NodeProps<CardNodeType>) {
  const actions = useContext(CardActionsContext);
  const light = useLight(card.id, 'nodes');
  const own = card.node;
  const ids = own === null ? card.rows.map((row) => row.id) : [own.id];
  const tone = `card card-${card.kind.toLowerCase().replaceAll('_', '-')} card-${light}${card.root ? ' card-root' : ''}${own?.restricted ? ' card-restricted' : ''}${own?.dropped ? ' card-dropped' : ''}`;
  return (
    <article className={tone} style={{ width: card.width, height: card.height }} onMouseEnter={() => actions.hover(ids)} onMouseLeave={() => actions.hover(null)}>
      <Handle type="target" position={Position.Left} isConnectable={false} style={{ top: HEAD_HEIGHT / 2 }} />
      <Handle type="source" position={Position.Right} isConnectable={false} style={{ top: HEAD_HEIGHT / 2 }} />
      <div className="card-head" style={{ height: HEAD_HEIGHT }}>
        {own !== null && <More node={own} direction="UPSTREAM" name={card.title} />}
        <button
          type="button"
          className="card-title nodrag"
          data-card={card.id}
          onClick={() => actions.lock(ids)}
          onFocus={() => actions.hover(ids)}
          onBlur={() => actions.hover(null)}
          onKeyDown={(event) => {
            const direction = ARROWS[event.key];
            if (direction !== undefined) {
              event.preventDefault();
              actions.step(card.id, direction);
            }
          }}
          title={card.id.startsWith('urn:') ? card.id : undefined}
        >
          <span className="card-kind">{kindWord(card.kind)}{card.path !== '' && ` · ${card.path}`}</span>
          <span className="card-name">{card.title}</span>
        </button>
        {own !== null && <More node={own} direction="DOWNSTREAM" name={card.title} />}
      </div>
      {card.rows.map((row) => <Row key={row.id} row={row} />)}
    </article>
  );
});

function Row({ row }: { row: GraphNode }) {
  const actions = useContext(CardActionsContext);
  const light = useLight(row.id, 'nodes');
  return (
    <div className={`card-row card-row-${light}${row.distance === 0 ? ' card-row-root' : ''}`} style={{ height: ROW_HEIGHT }} onMouseEnter={() => actions.hover([row.id])}>
      <Handle type="target" id={row.id} position={Position.Left} isConnectable={false} />
      <More node={row} direction="UPSTREAM" name={row.name ?? 'column'} />
      <button type="button" className="card-row-name nodrag" onClick={() => actions.lock([row.id])} title={row.urn ?? undefined}>{row.name ?? 'restricted'}</button>
      <More node={row} direction="DOWNSTREAM" name={row.name ?? 'column'} />
      <Handle type="source" id={row.id} position={Position.Right} isConnectable={false} />
    </div>
  );
}

function More({ node, direction, name }: { node: GraphNode; direction: 'UPSTREAM' | 'DOWNSTREAM'; name: string }) {
  const actions = useContext(CardActionsContext);
  const hidden = direction === 'UPSTREAM' ? node.hiddenUpstream : node.hiddenDownstream;
  const side = direction === 'UPSTREAM' ? 'more-up' : 'more-down';
  if (hidden === 0 || node.urn === null) return <span className={`more-none ${side}`} aria-hidden="true" />;
  return (
    <button type="button" className={`more ${side} nodrag`} onClick={() => actions.expand(node.id, direction)} aria-label={`Show ${hidden} more ${direction.toLowerCase()} of ${name}`} title={`${hidden} more ${direction.toLowerCase()}`}>
      {direction === 'UPSTREAM' ? `‹ ${hidden}` : `${hidden} ›`}
    </button>
  );
}
