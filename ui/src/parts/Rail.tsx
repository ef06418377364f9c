// The log as a ruler: where we stand on it, which entries concern the entity in view, and every position a step away.
import { useEffect, useRef, useState } from 'react';
import { ask, useAsk } from '../api/client';
import type { Operations } from '../api/schema';
import { moment } from '../text';
import { changed, navigate, positionOf, type Place } from '../url';

const SETTLE_MS = 180;
const PAGES = 10; // of 200 entries
const NONE: readonly number[] = [];

/** The positions of the entries about an entity, page by page; a hot one has more than anybody counts on a ruler. */
function useTouches(urn: string | null, logSize: number): readonly number[] {
  const [found, setFound] = useState<{ urn: string | null; positions: readonly number[] }>({ urn: null, positions: [] });
  useEffect(() => {
    if (urn === null) return;
    const aborter = new AbortController();
    void (async () => {
      const positions = new Set<number>();
      let after: string | null = null;
      for (let page = 0; page < PAGES; page += 1) {
        const { rows, after: next }: Operations['Touches']['result']['auditTrail'] = (await ask('Touches', { urn, after }, aborter.signal)).auditTrail;
        for (const row of rows) positions.add(row.index + 1);
        if (next === null) break;
        after = next;
      }
      setFound({ urn, positions: [...positions].sort((left, right) => left - right) });
    })().catch(() => undefined); // the view itself says what is wrong; the ruler then has no marks
    return () => aborter.abort();
  }, [urn, logSize]);
  return found.urn === urn ? found.positions : NONE;
}

export function Rail({ place, logSize }: { place: Place; logSize: number }) {
  const at = positionOf(place);
  const urn = place.params.get('urn');
  const [draft, setDraft] = useState<number | null>(null);
  const shown = Math.min(draft ?? at ?? logSize, logSize);
  const past = shown < logSize || (at !== null && at > logSize);
  const positions = useTouches(urn, logSize);
  const time = useAsk('EntryTime', shown > 0 ? { index: shown - 1 } : null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => setDraft(null), [place]);
  useEffect(() => () => clearTimeout(timer.current), []);

  /** Dragging asks when the hand rests; a step asks at once. */
  function go(position: number | null, rest = 0): void {
    const target = position === null || position >= logSize ? null : Math.max(1, position);
    setDraft(target ?? logSize);
    clearTimeout(timer.current);
    const move = () => navigate(changed(place, { at: target }), true);
    if (rest === 0) move();
    else timer.current = setTimeout(move, rest);
  }

  const before = positions.filter((position) => position < shown).at(-1);
  const after = positions.find((position) => position > shown);
  const entry = time.data?.event.event ?? null;
  return (
    <section className={past ? 'rail rail-past' : 'rail'} aria-label="Position in the log">
      <div className="rail-steps">
        <button type="button" className="quiet" disabled={urn === null || before === undefined} onClick={() => go(before ?? null)} aria-label="Previous entry about this" title="Previous entry about this">‹</button>
        <button type="button" className="quiet" disabled={urn === null || after === undefined} onClick={() => go(after ?? null)} aria-label="Next entry about this" title="Next entry about this">›</button>
      </div>
      <div className="rail-track">
        <svg className="rail-marks" aria-hidden="true" preserveAspectRatio="none" viewBox={`0 0 ${Math.max(1, logSize - 1)} 1`}>
          {positions.map((position) => <rect key={position} x={position - 1} y={0} width={logSize / 600} height={1} className={position > shown ? 'mark mark-after' : 'mark'} />)}
        </svg>
        <input
          type="range"
          min={1}
          max={Math.max(1, logSize)}
          value={Math.max(1, shown)}
          disabled={logSize < 2}
          aria-label="As of log position"
          aria-valuetext={past ? `as of position ${shown}, ${moment(entry?.received)}` : `now, position ${shown}`}
          onChange={(event) => go(Number(event.target.value), SETTLE_MS)}
        />
      </div>
      <div className="rail-text">
        <span className="rail-where">{past ? 'As of' : 'Now'}</span>
        <span className="rail-size">{shown} <span className="soft">/ {logSize}</span></span>
        <span className="soft rail-time">{moment(entry?.received)}</span>
        {past && <button type="button" className="now" onClick={() => go(null)}>Back to now</button>}
      </div>
    </section>
  );
}
