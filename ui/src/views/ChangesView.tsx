// What changed within a window: first what may have caused a wrong value, the likeliest first, then exactly what is different.
import { useEffect, useRef, useState } from 'react';
import { useAsk } from '../api/client';
import type { Direction, Level, Operations, SuspectKind } from '../api/schema';
import { Commit } from '../parts/Commit';
import { Sides } from '../parts/Sides';
import { Ask, Empty, Link, Named, Notes, Section, When } from '../parts/basics';
import { EntryLink } from '../parts/facts';
import { csv, download } from '../csv';
import { count, number, shown } from '../text';
import { changed, navigate, positionOf, startOf, type Place } from '../url';
import { label, parseUrn } from '../urn';
import { Differences, Line } from './Differences';

type Suspects = Operations['Suspects']['result']['suspects'];
type Suspect = Suspects['rows'][number];

const SETTLE_MS = 400;
const FEW = 20; // suspects shown before the rest is asked for

const KINDS: Readonly<Record<SuspectKind, string>> = {
  CODE: 'code',
  CONFIG: 'configuration',
  ENVIRONMENT: 'environment',
  SCHEMA: 'schema',
  QUALITY: 'failed check',
  VOLUME: 'number of rows',
  DISTRIBUTION: 'values',
  DATA: 'raw data',
  INPUT_VERSION: 'pinned input',
  ALIAS: 'alias',
  RUN_FAILED: 'failed run',
  RUN_MISSING: 'missing run',
};

export function ChangesView({ place, urn }: { place: Place; urn: string }) {
  const at = positionOf(place);
  const position = at === null ? null : { size: at };
  const entity = useAsk('Entity', { urn, at: position }); // the frame's question: where the window begins if nobody says
  const born = entity.data?.entity.entity?.since ?? null;
  const from = startOf(place) ?? (born === null ? null : { size: born });
  const direction: Direction = place.params.get('direction') === 'down' ? 'DOWNSTREAM' : place.params.get('direction') === 'both' ? 'BOTH' : 'UPSTREAM';
  const level: Level = place.params.get('level') === 'asset' && parseUrn(urn)?.kind !== 'column' ? 'ASSET' : 'COLUMN';
  const all = place.params.get('all') === '1';
  const suspects = useAsk('Suspects', from === null ? null : { urn, from, at: position });
  const diff = useAsk('Diff', from === null ? null : { urn, from, direction, level, at: position });
  const late = suspects.error?.code === 'invalid-argument' && startOf(place) !== null;
  const set = (params: Parameters<typeof changed>[1]) => navigate(changed(place, params), true);
  return (
    <>
      <form className="controls" onSubmit={(event) => event.preventDefault()}>
        <label>Changes since position <StartBox place={place} born={born} /></label>
        <label>or the day <input type="date" value={/^\d{4}-\d\d-\d\d/.exec(place.params.get('from') ?? '')?.[0] ?? ''} onChange={(event) => set({ from: event.target.value || null })} /></label>
      </form>
      {late ? <Empty title="The window begins after it ends">{suspects.error!.message} <Link to={changed(place, { from: null })}>Show changes since its first entry</Link></Empty> : <Ask answer={suspects} what="what changed upstream" rows={5}>{({ suspects: found }) => <Suspected found={found} urn={urn} />}</Ask>}
      {!(suspects.error && diff.error) && (
        <Section title="What is different">
          <form className="controls" onSubmit={(event) => event.preventDefault()}>
            <label>Compare <select value={direction} onChange={(event) => set({ direction: event.target.value === 'DOWNSTREAM' ? 'down' : event.target.value === 'BOTH' ? 'both' : null })}>
              <option value="UPSTREAM">what it is made of</option>
              <option value="DOWNSTREAM">what is made of it</option>
              <option value="BOTH">both</option>
            </select></label>
            {parseUrn(urn)?.kind !== 'column' && <label className="check"><input type="checkbox" checked={level === 'COLUMN'} onChange={(event) => set({ level: event.target.checked ? null : 'asset' })} /> column by column</label>}
            <label className="check"><input type="checkbox" checked={all} onChange={(event) => set({ all: event.target.checked ? '1' : null })} /> with filters and joins</label>
          </form>
          <Ask answer={diff} what="the differences" rows={5}>{({ diff: found }) => <Differences diff={found} place={place} all={all} urn={urn} />}</Ask>
        </Section>
      )}
    </>
  );
}

/** A position typed: asked for when the hand rests or at Enter. Empty is the entity's first entry. */
function StartBox({ place, born }: { place: Place; born: number | null }) {
  const said = /^\d{1,15}$/.exec(place.params.get('from') ?? '')?.[0] ?? '';
  const [draft, setDraft] = useState(said);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => setDraft(said), [said]);
  useEffect(() => () => clearTimeout(timer.current), [place]);
  const go = (text: string) => {
    clearTimeout(timer.current);
    if (text !== said) navigate(changed(place, { from: text || null }), true);
  };
  return (
    <input
      className="start"
      type="text"
      inputMode="numeric"
      pattern="[0-9]*"
      value={draft}
      placeholder={born === null ? '' : String(born)}
      title={born === null ? '' : `Empty: since its first entry, position ${born}`}
      onChange={(event) => {
        const text = event.target.value.replaceAll(/\D/g, '').slice(0, 15);
        setDraft(text);
        clearTimeout(timer.current);
        timer.current = setTimeout(() => go(text), SETTLE_MS);
      }}
      onKeyDown={(event) => event.key === 'Enter' && go(draft)}
    />
  );
}

function Suspected({ found, urn }: { found: Suspects; urn: string }) {
  const [open, setOpen] = useState(false);
  const groups = together(found.rows);
  return (
    <Section
      title="What may have changed the value"
      note={`${count(found.rows.length, 'change')} upstream, from position ${number(found.from)} to ${number(found.to)}, the likeliest first`}
      actions={found.rows.length > 0 && <button type="button" onClick={() => download(`suspects-${label(urn)}.csv`, suspectsCsv(found))}>Download suspects as CSV</button>}
    >
      <Notes of={found.completeness} />
      {groups.length === 0 ? <Empty title="Nothing upstream changed between the two positions">As far as hooks have reported: code, configuration, data, schemas, checks, pins and runs.</Empty> : (
        <>
          <ol className="changes">{groups.slice(0, open ? undefined : FEW).map((rows, place) => <Item key={place} rows={rows} />)}</ol>
          {!open && groups.length > FEW && <p className="actions"><button type="button" onClick={() => setOpen(true)}>Show {count(groups.length - FEW, 'more suspect')}</button></p>}
          <p className="soft aside">The number ranks, 0 to 100, by what changed, whether it decides the value, and how near it is. It points; the lines and entries are the evidence.</p>
        </>
      )}
      {found.opaque.length > 0 && (
        <>
          <h3>Steps that nobody can look into</h3>
          <ul className="opaque soft">
            {found.opaque.map((step) => <li key={`${step.urn} ${step.job} ${step.transformation}`}><Named urn={step.urn} /> is made{step.job !== null && <> by <Named urn={step.job} /></>} without word of which columns it reads; what lies behind it was looked at as a whole</li>)}
          </ul>
        </>
      )}
    </Section>
  );
}

/** The same said again, as of a check that fails every night, is one suspect with several entries. */
function together(rows: readonly Suspect[]): Suspect[][] {
  return [...Map.groupBy(rows, (row) => JSON.stringify([row.kind, row.urn, row.because, row.before, row.after, row.commit?.urn])).values()];
}

function Item({ rows }: { rows: readonly Suspect[] }) {
  const suspect = rows.at(-1)!;
  const score = Math.max(...rows.map((row) => row.score));
  const entries = rows.flatMap((row) => (row.since === null ? [] : [row.since]));
  return (
    <li className={suspect.influence === 'ROWS' ? 'change change-aside suspect' : 'change suspect'}>
      <p className="suspect-head">
        <span className="score"><span className="unseen">score </span>{score}</span>
        <span className="status status-warn">{KINDS[suspect.kind]}</span>
        <Named urn={suspect.urn} />
        <span className="because">{suspect.because}</span>
      </p>
      {typeof suspect.before === 'string' && typeof suspect.after === 'string' && suspect.before !== suspect.after && <Sides before={suspect.before} after={suspect.after} />}
      {suspect.commit !== null && <Commit commit={suspect.commit} />}
      <p className="soft">
        {suspect.influence === 'ROWS' && 'decides only which rows there are · '}
        {suspect.file !== null && suspect.line !== null && <><Line urn={suspect.urn} file={suspect.file} line={suspect.line} /> · </>}
        {suspect.at !== null && <><When at={suspect.at} /> · </>}
        {suspect.run !== null && <>run <Named urn={suspect.run} /> · </>}
        {entries.length === 0 ? 'it did not happen: there is no entry' : entries.map((since, place) => <span key={since}>{place > 0 && ', '}<EntryLink index={since - 1} /></span>)}
      </p>
    </li>
  );
}

function suspectsCsv(found: Suspects): string {
  return csv(
    ['score', 'kind', 'urn', 'because', 'influence', 'distance', 'before', 'after', 'entry', 'at', 'job', 'commit', 'author', 'file', 'line', 'run'],
    found.rows.map((row) => [row.score, KINDS[row.kind], row.urn, row.because, row.influence, row.distance, text(row.before), text(row.after), row.since === null ? null : row.since - 1, row.at, row.job, row.commit?.sha, row.commit?.author, row.file, row.line, row.run]),
  );
}

function text(value: unknown): string | null {
  return value === null || value === undefined ? null : shown(value);
}
