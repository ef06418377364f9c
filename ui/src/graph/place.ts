// Where new cards go when a graph grows: beside the card they hang on, in free space. Cards that are there never move.

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Sized {
  readonly id: string;
  readonly width: number;
  readonly height: number;
}

interface Link {
  readonly source: string;
  readonly target: string;
}

export const GAP_X = 96;
export const GAP_Y = 22;

export type Spots = ReadonlyMap<string, { readonly x: number; readonly y: number }>;

/** Spots for all cards: those of `known` unchanged, the others placed. Cards tied to nothing go below everything. */
export function place(cards: readonly Sized[], links: readonly Link[], known: Spots): Map<string, { x: number; y: number }> {
  const sizes = new Map(cards.map((card) => [card.id, card]));
  const spots = new Map<string, { x: number; y: number }>();
  for (const card of cards) {
    const spot = known.get(card.id);
    if (spot) spots.set(card.id, spot);
  }
  const boxes: Box[] = cards.flatMap((card) => {
    const spot = spots.get(card.id);
    return spot ? [{ ...spot, width: card.width, height: card.height }] : [];
  });
  const missing = new Set(cards.filter((card) => !spots.has(card.id)).map((card) => card.id));
  while (missing.size > 0) {
    const round = new Map<string, { anchor: string; upstream: boolean }>();
    for (const link of links) {
      if (missing.has(link.source) && spots.has(link.target) && !round.has(link.source)) round.set(link.source, { anchor: link.target, upstream: true });
      if (missing.has(link.target) && spots.has(link.source) && !round.has(link.target)) round.set(link.target, { anchor: link.source, upstream: false });
    }
    if (round.size === 0) {
      const [id] = missing;
      const lowest = Math.max(0, ...boxes.map((box) => box.y + box.height + GAP_Y));
      settle(id!, { x: 0, y: lowest });
      continue;
    }
    // siblings of one side are centred on their anchor, in the order the answer gave them
    const families = new Map<string, string[]>();
    for (const [id, { anchor, upstream }] of round) {
      const key = `${upstream ? 'u' : 'd'}${anchor}`;
      families.set(key, [...(families.get(key) ?? []), id]);
    }
    for (const [key, ids] of families) {
      const anchor = key.slice(1);
      const at = spots.get(anchor)!;
      const size = sizes.get(anchor)!;
      const total = ids.reduce((sum, id) => sum + sizes.get(id)!.height + GAP_Y, -GAP_Y);
      let y = at.y + size.height / 2 - total / 2;
      for (const id of ids) {
        const card = sizes.get(id)!;
        const x = key.startsWith('u') ? at.x - GAP_X - card.width : at.x + size.width + GAP_X;
        settle(id, free({ x, y, width: card.width, height: card.height }, boxes));
        y = spots.get(id)!.y + card.height + GAP_Y;
      }
    }
  }
  return spots;

  function settle(id: string, spot: { x: number; y: number }): void {
    const card = sizes.get(id)!;
    spots.set(id, { x: spot.x, y: spot.y });
    boxes.push({ x: spot.x, y: spot.y, width: card.width, height: card.height });
    missing.delete(id);
  }
}

/** The nearest spot above or below where the box touches no other. */
export function free(wanted: Box, boxes: readonly Box[]): { x: number; y: number } {
  const column = boxes.filter((box) => wanted.x < box.x + box.width + GAP_Y && box.x < wanted.x + wanted.width + GAP_Y);
  const fits = (y: number) => column.every((box) => y + wanted.height + GAP_Y <= box.y || box.y + box.height + GAP_Y <= y);
  if (fits(wanted.y)) return { x: wanted.x, y: wanted.y };
  const options = column.flatMap((box) => [box.y - wanted.height - GAP_Y, box.y + box.height + GAP_Y]).filter(fits);
  options.sort((left, right) => Math.abs(left - wanted.y) - Math.abs(right - wanted.y));
  return { x: wanted.x, y: options[0] ?? wanted.y };
}
