// Did training data know the future? The eight checks, the worst first, each with what it rests on.
import { useAsk } from '../api/client';
import type { CheckName, CheckState, Operations } from '../api/schema';
import { Lines } from '../parts/Artifact';
import { Commit } from '../parts/Commit';
import { Ask, Named, Notes, Section } from '../parts/basics';
import { Digest, EntryLink, Fact } from '../parts/facts';
import { csv, download } from '../csv';
import { count } from '../text';
import { changed, navigate, positionOf, type Place } from '../url';
import { label, parseUrn } from '../urn';

type Answer = Operations['PointInTime']['result']['pointInTimeChecks'];
type Check = Answer['checks'][number];
type Evidence = Check['evidence'][number];

const CHECKS: Readonly<Record<CheckName, readonly [string, string]>> = {
  TIME_PREDICATE: ['Time predicate', 'only what was known before the reference time is read'],
  LABEL_UPSTREAM: ['Label upstream', 'no label in a feature'],
  EVENT_RANGE: ['Event range', 'later events are kept out'],
  AS_OF: ['As of', 'inputs are not written after the moment the data stand for'],
  BACKFILL: ['Backfill', 'nothing written afterwards counts as known'],
  LATE_DATA: ['Late data', 'materialized in time'],
  BINDING_SKEW: ['Binding skew', 'serving reads what training read'],
  LOOKBACK: ['Lookback', 'what features look back at is kept'],
};
const STATES: Readonly<Record<CheckState, string>> = { VIOLATION: 'bad', SUSPECT: 'warn', UNKNOWN: 'none', PROVEN: 'good' };
const WORST = Object.keys(STATES) as CheckState[];
const WRONG: ReadonlySet<CheckState> = new Set(['VIOLATION', 'SUSPECT']);
const SENTENCE: Readonly<Record<CheckState, string>> = {
  VIOLATION: 'What is recorded contradicts a rule.', SUSPECT: 'Something points to a leak, without being certain.',
  UNKNOWN: 'Nothing speaks against it; not everything that would decide it is recorded.', PROVEN: 'What is recorded shows that every rule holds.',
};

function State({ state }: { state: CheckState }) {
  return <span className={`status status-${STATES[state]}`}>{state.toLowerCase()}</span>;
}

export function ChecksView({ place, urn }: { place: Place; urn: string }) {
  const at = positionOf(place);
  const inclusive = place.params.get('boundary') === 'inclusive';
  const answer = useAsk('PointInTime', { urn, boundary: inclusive ? 'INCLUSIVE' : 'STRICT', at: at === null ? null : { size: at } });
  const rows = answer.data?.pointInTimeChecks.checks ?? [];
  return (
    <>
      <form className="controls" onSubmit={(event) => event.preventDefault()}>
        <label className="check"><input type="checkbox" checked={inclusive} onChange={(event) => navigate(changed(place, { boundary: event.target.checked ? 'inclusive' : null }), true)} /> rows known at the very reference time may be read</label>
        <button type="button" disabled={rows.length === 0} onClick={() => download(`checks-${label(urn)}.csv`, checksCsv(rows))}>Download CSV</button>
      </form>
      <Ask answer={answer} what="the checks" rows={8}>{({ pointInTimeChecks }) => <All found={pointInTimeChecks} at={at} />}</Ask>
    </>
  );
}

function All({ found, at }: { found: Answer; at: number | null }) {
  const worst = (name: CheckName) => Math.min(WORST.length, ...found.checks.filter((check) => check.check === name).map((check) => WORST.indexOf(check.state)));
  const names = (Object.keys(CHECKS) as CheckName[]).sort((left, right) => worst(left) - worst(right));
  const topics = names.map((name) => ({ name, told: together(found.checks.filter((check) => check.check === name)) }));
  const seen = firstTold(topics.flatMap(({ told }) => told));
  return (
    <>
      <div className={`verdict verdict-${STATES[found.state]}`}>
        <h2><State state={found.state} /> {SENTENCE[found.state]}</h2>
        <p>{count(found.violations, 'violation')}, {found.suspects} suspect, {found.unknown} unknown, {found.proven} proven.</p>
      </div>
      <Notes of={found.completeness} />
      <dl className="facts facts-tight">
        <Fact name="Training data">{found.training.length === 0 ? <span className="soft">none is known</span> : <ul className="inline">{found.training.map((each) => <li key={each}><Named urn={each} /></li>)}</ul>}</Fact>
        <Fact name="Reference time">{found.referenceTime ?? <span className="soft">not said</span>}</Fact>
        <Fact name="Label time">{found.labelTime ?? <span className="soft">not said</span>}</Fact>
        <Fact name="Labels">{found.labels.length > 0 ? found.labels.join(', ') : <span className="soft">not said</span>}</Fact>
      </dl>
      {topics.map(({ name, told }) => <Topic key={name} name={name} told={told} seen={seen} at={at} />)}
    </>
  );
}

interface Told {
  readonly check: Check;
  readonly subjects: readonly (string | null)[];
  readonly evidence: readonly Evidence[];
}

/** Checks that say the same are told once; what is wrong only if it also rests on the same. */
function together(checks: readonly Check[]): Told[] {
  const groups = new Map<string, Check[]>();
  for (const check of checks) {
    const key = JSON.stringify([check.state, check.detail, WRONG.has(check.state) ? check.evidence : null]);
    groups.set(key, [...(groups.get(key) ?? []), check]);
  }
  return [...groups.values()].map((each) => ({ check: each[0]!, subjects: each.map((check) => check.urn), evidence: [...new Map(each.flatMap((check) => check.evidence).map((on) => [JSON.stringify(on), on])).values()] }));
}

/** Where each piece of evidence of something wrong is told first: there with its lines, later as a reference. */
function firstTold(all: readonly Told[]): ReadonlyMap<string, Told> {
  const first = new Map<string, Told>();
  for (const told of all.filter(({ check }) => WRONG.has(check.state))) {
    for (const on of told.evidence) if (!first.has(JSON.stringify(on))) first.set(JSON.stringify(on), told);
  }
  return first;
}

function Topic({ name, told, seen, at }: { name: CheckName; told: readonly Told[]; seen: ReadonlyMap<string, Told>; at: number | null }) {
  const [title, rule] = CHECKS[name];
  const open = told.filter(({ check }) => check.state !== 'PROVEN');
  const proven = told.filter(({ check }) => check.state === 'PROVEN');
  const counts = WORST.map((state) => [state, told.filter(({ check }) => check.state === state).reduce((sum, each) => sum + each.subjects.length, 0)] as const).filter(([, number]) => number > 0);
  return (
    <Section title={title} note={rule} actions={counts.length === 0 ? <span className="soft">nothing to check</span> : counts.map(([state, number]) => <span key={state}>{number} <State state={state} /></span>)}>
      {open.map((each, row) => <One key={row} told={each} seen={seen} at={at} />)}
      {proven.length > 0 && <details><summary className="soft">{count(proven.reduce((sum, each) => sum + each.subjects.length, 0), 'thing')} proven</summary>{proven.map((each, row) => <One key={row} told={each} seen={seen} at={at} />)}</details>}
    </Section>
  );
}

function One({ told, seen, at }: { told: Told; seen: ReadonlyMap<string, Told>; at: number | null }) {
  const { check, subjects, evidence } = told;
  const fresh = WRONG.has(check.state) ? evidence.filter((on) => seen.get(JSON.stringify(on)) === told) : [];
  const again = evidence.filter((on) => !fresh.includes(on));
  return (
    <article className={`finding-block finding-block-${STATES[check.state]}`}>
      <p><State state={check.state} /> <Subjects urns={subjects} /></p>
      <p>{check.detail} <code className="soft">{check.code}</code></p>
      {fresh.length > 0 && <ul className="evidence">{fresh.map((each, row) => <Rests key={row} on={each} at={at} lines />)}</ul>}
      {again.length > 0 && <details><summary className="soft">{WRONG.has(check.state) ? `${count(again.length, 'piece')} of evidence told above` : count(again.length, 'piece') + ' of evidence'}</summary><ul className="evidence">{again.map((each, row) => <Rests key={row} on={each} at={at} lines={false} />)}</ul></details>}
    </article>
  );
}

function Subjects({ urns }: { urns: readonly (string | null)[] }) {
  return <>{urns.map((urn, row) => <span key={urn ?? row}>{row > 0 && ', '}{urn === null ? <span className="soft">restricted</span> : <Named urn={urn} />}</span>)}</>;
}

function Rests({ on, at, lines }: { on: Evidence; at: number | null; lines: boolean }) {
  if (on.restricted) return <li className="soft">{on.what}: outside your grants</li>;
  const placed = on.transformation !== null && on.file !== null && on.line !== null;
  return (
    <li>
      <span className="soft">{on.what}</span> {on.text !== null && <code>{on.text}</code>}
      {on.file !== null && <> <code>{on.file}{on.line !== null && `:${on.line}`}{on.column !== null && `:${on.column}`}</code></>}
      {on.version !== null && <> of <VersionLink urn={on.version} /></>}
      {on.entry !== null && <> · <EntryLink index={on.entry} /></>}
      {on.commit !== null && <div><Commit commit={on.commit} /></div>}
      {lines && placed && <Lines transformation={on.transformation!} file={on.file!} line={on.line!} at={at} />}
    </li>
  );
}

function VersionLink({ urn }: { urn: string }) {
  return parseUrn(urn) === null ? <Digest hex={urn} /> : <Named urn={urn} />;
}

export function checksCsv(checks: readonly Check[]): string {
  return csv(['check', 'state', 'urn', 'code', 'detail', 'places', 'commits', 'entries'], checks.map((check) => [
    check.check, check.state, check.urn ?? 'restricted', check.code, check.detail,
    check.evidence.flatMap((each) => (each.file === null ? [] : [`${each.file}:${each.line ?? ''}`])),
    [...new Set(check.evidence.flatMap((each) => (each.commit === null ? [] : [each.commit.sha])))],
    check.evidence.flatMap((each) => (each.entry === null ? [] : [String(each.entry)]))]));
}
