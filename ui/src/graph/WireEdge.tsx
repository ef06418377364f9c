import { BaseEdge, getBezierPath, type Edge, type EdgeProps } from '@xyflow/react';
import { memo } from 'react';
import type { Wire } from './cards';
import type { Point } from './elk';
import { useLight } from './light';

export type WireEdgeType = Edge<{ wire: Wire; route: readonly Point[] | null }, 'wire'>;

export const WireEdge = memo(function WireEdge({ id, data, sourceX, sourceY, targetX, targetY, sourcePosition, targetPosition }: EdgeProps<WireEdgeType>) {
  const light = useLight(id, 'edges');
  const route = data?.route ?? null;
  const path = route === null ? getBezierPath({ sourceX, sourceY, targetX, targetY, sourcePosition, targetPosition })[0] : through([{ x: sourceX, y: sourceY }, ...route, { x: targetX, y: targetY }]);
  return <BaseEdge path={path} className={`wire wire-${light}${data?.wire.indirect ? ' wire-indirect' : ''}`} interactionWidth={14} />;
});

/** A curve through all points that leaves and enters each one level. */
function through(points: readonly Point[]): string {
  return points.reduce((path, point, position) => {
    const before = points[position - 1];
    if (before === undefined) return `M${point.x},${point.y}`;
    const middle = (before.x + point.x) / 2;
    return `${path} C${middle},${before.y} ${middle},${point.y} ${point.x},${point.y}`;
  }, '');
}
