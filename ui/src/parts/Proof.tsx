// An entry's proof, computed here: fetched once, verified with WebCrypto, shown step by step.
import { useEffect, useMemo, useState } from 'react';
import { ask, useAsk, ApiError } from '../api/client';
import type { Operations } from '../api/schema';
import { verifyEntry, type EntryProof } from '../proof/entry';
import { trustFor, useTrustVersion, type Trust } from '../proof/trust';
import { Link } from './basics';
import { href, positionOf, usePlace } from '../url';

export type Entry = NonNullable<Operations['Entry']['result']['event']['event']>;

export interface Anchor {
  readonly trust: Trust;
  readonly keys: ReadonlyMap<string, string>;
}

/** What proofs are checked against: the trusted key of this log, and the registered keys of its producers. */
export function useAnchor(): { anchor: Anchor | null; problem: string | null } {
  const session = useAsk('Session', {});
  const history = useAsk('Keys', {});
  const version = useTrustVersion();
  const [state, setState] = useState<{ anchor: Anchor | null; problem: string | null }>({ anchor: null, problem: null });
  const origin = session.data?.checkpoint.origin ?? null;
  const note = session.data?.checkpoint.text ?? null;
  const all = history.data?.keyHistory.keys;
  useEffect(() => {
    if (origin === null || all === undefined) return;
    let alive = true;
    const published = all.filter((key) => key.purpose === 'log').map((key) => key.publicKey);
    trustFor(origin, published, note).then(
      (trust) => alive && setState({ anchor: { trust, keys: new Map(all.map((key) => [key.keyId, key.publicKey])) }, problem: null }),
      (error: unknown) => alive && setState({ anchor: null, problem: error instanceof Error ? error.message : String(error) }),
    );
    return () => {
      alive = false;
    };
  }, [origin, note, all, version]);
  const problem = state.problem ?? session.error?.message ?? history.error?.message ?? (session.data && origin === null ? 'no checkpoint is published yet' : null);
  return { anchor: state.anchor, problem };
}

export interface Checked {
  readonly entry: Entry | null;
  readonly proof: EntryProof | null;
  readonly problem: string | null;
}

const AT_ONCE = 4;
let running = 0;
const waiting: (() => void)[] = [];

async function turn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  running += 1;
  try {
    return await work();
  } finally {
    running -= 1;
    waiting.shift()?.();
  }
}

/** Fetch and verify entries, a few at a time; the map grows as they are done. */
export function useChecked(indices: readonly number[], anchor: Anchor | null): ReadonlyMap<number, Checked> {
  const [done, setDone] = useState<ReadonlyMap<number, Checked>>(new Map());
  const key = useMemo(() => [...new Set(indices)].join(), [indices]);
  useEffect(() => {
    if (anchor === null || key === '') return;
    const aborter = new AbortController();
    setDone(new Map());
    for (const index of key.split(',').map(Number)) {
      void turn(async () => {
        if (aborter.signal.aborted) return;
        const checked = await check(index, anchor, aborter.signal);
        if (!aborter.signal.aborted) setDone((before) => new Map(before).set(index, checked));
      });
    }
    return () => aborter.abort();
  }, [key, anchor]);
  return done;
}

async function check(index: number, anchor: Anchor, signal: AbortSignal): Promise<Checked> {
  let entry: Entry | null = null;
  try {
    entry = (await ask('Entry', { index }, signal)).event.event;
    if (entry === null) return { entry, proof: null, problem: `the log has no entry ${index}` };
    if (entry.index !== index) return { entry, proof: null, problem: `asked for entry ${index}, got ${entry.index}` };
    return { entry, proof: await verifyEntry(entry, anchor.trust, anchor.keys), problem: null };
  } catch (error) {
    return { entry, proof: null, problem: error instanceof ApiError || error instanceof Error ? error.message : String(error) };
  }
}

export function ProofMark({ checked, waiting: pending }: { checked: Checked | undefined; waiting: boolean }) {
  if (checked === undefined) return <span className="proof proof-pending" role="img" aria-label={pending ? 'being verified' : 'not verified'}>{pending ? '·' : '–'}</span>;
  const state = checked.proof?.state ?? 'false';
  const text = state === 'proven' ? 'proven' : state === 'unknown' ? 'no proof yet' : 'NOT PROVEN';
  const why = checked.problem ?? checked.proof?.findings.filter((finding) => finding.state !== 'proven').map((finding) => finding.text).join('; ') ?? '';
  return <span className={`proof proof-${state}`} title={why || undefined}>{text}</span>;
}

export function ProofDetail({ checked }: { checked: Checked }) {
  const { proof, problem, entry } = checked;
  if (proof === null) return <p className="proof proof-false">{problem}</p>;
  return (
    <div className="proof-detail">
      <ul className="findings">
        {proof.findings.map((finding) => (
          <li key={finding.name} className={`finding finding-${finding.state}`}>
            <strong>{TITLES[finding.name]}</strong> <span>{finding.text}</span> <span className="unseen">({finding.state})</span>
          </li>
        ))}
      </ul>
      <dl className="facts facts-tight">
        <div className="fact"><dt>Leaf hash</dt><dd><code className="hash">{proof.leafHash}</code></dd></div>
        {proof.root !== null && <div className="fact"><dt>Signed root</dt><dd><code className="hash">{proof.root}</code> <span className="soft">of {proof.checkpoint?.size} entries</span></dd></div>}
        {entry?.proof && <div className="fact"><dt>Audit path</dt><dd><details><summary>{entry.proof.hashes.length} hashes</summary><ol className="path-hashes">{entry.proof.hashes.map((hash, row) => <li key={row}><code className="hash">{hash}</code></li>)}</ol></details></dd></div>}
      </dl>
    </div>
  );
}

const TITLES = { included: 'Inclusion', checkpoint: 'Checkpoint', body: 'Body', signature: 'Signature' } as const;

export function TrustLine({ anchor, problem }: { anchor: Anchor | null; problem: string | null }) {
  const place = usePlace();
  if (problem !== null) return <p className="warning" role="alert">Nothing can be verified: {problem}.</p>;
  if (anchor === null) return <p className="soft">Preparing to verify …</p>;
  const { trust } = anchor;
  return (
    <>
      {trust.alarm !== null && <p className="alarm" role="alert"><strong>This log cannot be trusted.</strong> {trust.alarm}.</p>}
      <p className="trustline">
        <span className={trust.pasted ? 'proof proof-proven' : 'proof proof-unknown'}>{trust.pasted ? 'trusted key' : 'first use'}</span>{' '}
        {trust.pasted ? 'Proofs are verified in this browser against the key you pasted.' : 'Proofs are verified in this browser, against the key the log itself showed first.'}{' '}
        <Link to={href('trust', { at: positionOf(place) })}>{trust.pasted ? 'Show it' : 'Paste a key you got another way'}</Link>
      </p>
    </>
  );
}
