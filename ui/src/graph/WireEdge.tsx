import { BaseEdge, getBezierPath, type Edge, type EdgeProps } from '@xyflow/react';
import { memo } from 'react';
import type { Wire } from './cards';
import { useLight } from './light';

export type WireEdgeType = Edge<{ wire: Wire }, 'wire'>;

export const WireEdge = memo(function WireEdge({ id, data, sourceX, sourceY, targetX, targetY, sourcePosition, targetPosition }: EdgeProps<WireEdgeType>) {
  const light = useLight(id, 'edges');
  const [path] = getBezierPath({ sourceX, sourceY, targetX, targetY, sourcePosition, targetPosition });
  return <BaseEdge path={path} className={`wire wire-${light}${data?.wire.indirect ? ' wire-indirect' : ''}`} interactionWidth={14} />;
});
