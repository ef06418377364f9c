import { useEffect, useMemo, useState } from 'react';
import { ask, ApiError, useAsk } from '../api/client';
import type { AuditEntryFragment } from '../api/schema';
import { Change } from '../parts/Change';
import { Commit, Status } from '../parts/Commit';
import { ProofDetail, ProofMark, TrustLine, useAnchor, useChecked, type Checked } from '../parts/Proof';
import { Ask, Empty, Link, Named, Notes, When } from '../parts/basics';
import { csv, download } from '../csv';
import { count, shown } from '../text';
import { changed, href, navigate, positionOf, type Place } from '../url';
import { label } from '../urn';

const PAGE = 100;
const FEW = 6; // changes of an entry that are shown before it is opened

interface Group {
  readonly index: number;
  readonly rows: readonly AuditEntryFragment[];
}

/** Rows of one entry belong together: it was said once, about several things. Newest first. */
export function byEntry(rows: readonly AuditEntryFragment[]): Group[] {
  const groups = new Map<number, AuditEntryFragment[]>();
  for (const row of rows) groups.set(row.index, [...(groups.get(row.index) ?? []), row]);
  return [...groups].sort(([left], [right]) => right - left).map(([index, each]) => ({ index, rows: each }));
}

export function AuditView({ place, urn }: { place: Place; urn: string }) {
  const at = positionOf(place);
  const columns = place.params.get('columns') === '1';
  const upstream = place.params.get('upstream') === '1';
  const variables = { urn, first: PAGE, columns, upstream, at: at === null ? null : { size: at } };
  const answer = useAsk('AuditTrail', variables);
  const { anchor, problem } = useAnchor();
  return (
    <>
      <form className="controls" onSubmit={(event) => event.preventDefault()}>
        <label className="check"><input type="checkbox" checked={columns} onChange={(event) => navigate(changed(place, { columns: event.target.checked ? '1' : null }), true)} /> with its columns</label>
        <label className="check"><input type="checkbox" checked={upstream} onChange={(event) => navigate(changed(place, { upstream: event.target.checked ? '1' : null }), true)} /> with everything upstream</label>
      </form>
      <TrustLine anchor={anchor} problem={problem} />
      <Ask answer={answer} what="the audit trail" rows={8}>
        {({ auditTrail }) => (
          <>
            <Notes of={auditTrail.completeness} />
            <Trail key={JSON.stringify(variables)} first={auditTrail.rows} after={auditTrail.after} variables={variables} anchor={anchor} />
          </>
        )}
      </Ask>
    </>
  );
}

function Trail({ first, after, variables, anchor }: { first: readonly AuditEntryFragment[]; after: string | null; variables: Parameters<typeof ask<'AuditTrail'>>[1]; anchor: ReturnType<typeof useAnchor>['anchor'] }) {
  const [more, setMore] = useState<{ rows: readonly AuditEntryFragment[]; after: string | null }>({ rows: [], after });
  const [failed, setFailed] = useState<string | null>(null);
  useEffect(() => setMore({ rows: [], after }), [after]);
  const rows = useMemo(() => [...first, ...more.rows], [first, more]);
  const groups = useMemo(() => byEntry(rows), [rows]);
  const indices = useMemo(() => groups.map((group) => group.index), [groups]);
  const checked = useChecked(indices, anchor);
  const states = [...checked.values()].map((each) => each.proof?.state ?? 'false');
  const proven = states.filter((state) => state === 'proven').length;
  const bad = states.filter((state) => state === 'false').length;
  if (rows.length === 0) return <Empty title="No entry concerns it up to this position" />;

  async function load(): Promise<void> {
    try {
      const next = (await ask('AuditTrail', { ...variables, after: more.after })).auditTrail;
      setMore({ rows: [...more.rows, ...next.rows], after: next.after });
    } catch (error) {
      setFailed(error instanceof ApiError ? error.message : String(error));
    }
  }

  return (
    <>
      <p className="summary" role="status" aria-live="polite">
        <span>{count(groups.length, 'entry', 'entries')}</span>
        {bad > 0 && <span className="figure-bad">{bad} not proven</span>}
        <span className={proven === groups.length ? 'figure-good' : 'soft'}>{proven} of {groups.length} proven here</span>
        <button type="button" onClick={() => download(`audit-${label(variables.urn)}.csv`, trailCsv(groups, checked))}>Download CSV</button>
      </p>
      <ol className="trail">
        {groups.map((group) => <EntryRow key={group.index} group={group} checked={checked.get(group.index)} waiting={anchor !== null} self={variables.urn} at={variables.at?.size ?? null} />)}
      </ol>
      {more.after !== null && <p><button type="button" onClick={() => void load()}>Load later entries</button> {failed !== null && <span className="problem" role="alert">{failed}</span>}</p>}
    </>
  );
}

function EntryRow({ group, checked, waiting, self, at }: { at: number | null; group: Group; checked: Checked | undefined; waiting: boolean; self: string }) {
  const [open, setOpen] = useState(false);
  const head = group.rows[0]!;
  const about = group.rows.flatMap((row) => (row.urn === null ? [] : [{ ...row, urn: row.urn }])); // a trail of the whole log has entries about no entity
  const changes = about.flatMap((row) => row.changes.map((change) => ({ urn: row.urn, change })));
  const edges = about.flatMap((row) => row.edges.map((edge) => ({ urn: row.urn, edge })));
  const lines = changes.length + edges.length;
  const state = checked?.proof?.state ?? (checked ? 'false' : 'pending');
  return (
    <li className={`trail-entry trail-${state}`}>
      <header className="trail-head">
        <Link to={href('entry', { index: group.index, at })} className="trail-index" aria-label={`Entry ${group.index}`}>{group.index}</Link>
        <span className="trail-type">{head.eventType.replace(/^lineproof\./, '')}</span>
        {head.status !== 'applied' && <Status status={head.status} />}
        <span className="soft trail-who">
          {head.actor !== null && <>{head.actor} · </>}{head.key.label ?? head.signedBy.toLowerCase()}
          {head.key.state !== 'valid' && <> <Status status={head.key.state} /></>} · <When at={head.loggedAt} />
        </span>
        <ProofMark checked={checked} waiting={waiting} />
        <button type="button" className="quiet" aria-expanded={open} aria-label={`Details of entry ${group.index}`} onClick={() => setOpen(!open)}>{open ? 'less' : 'more'}</button>
      </header>
      {head.reason !== null && <p className="trail-reason">{head.reason}</p>}
      {head.commit !== null && <Commit commit={head.commit} />}
      {lines > 0 && (
        <ul className="trail-changes">
          {edges.slice(0, open ? undefined : FEW).map(({ urn, edge }, row) => (
            <li key={`edge ${row}`}>
              {urn !== self && <><Named urn={urn} /> </>}
              <span className="fact-name">{edge.action === 'OPENED' ? 'now reads' : 'no longer reads'}</span> {edge.urn === null ? <span className="soft">restricted</span> : <Named urn={edge.urn} />}
              {edge.expression !== null && <> <code className={`said said-${edge.action === 'OPENED' ? 'after' : 'before'}`}>{edge.expression}</code></>}
              {edge.file !== null && <code className="soft"> {edge.file}{edge.line !== null && `:${edge.line}`}</code>}
            </li>
          ))}
          {changes.slice(0, open ? undefined : Math.max(0, FEW - edges.length)).map(({ urn, change }, row) => (
            <li key={row}>
              {urn !== self && <><Named urn={urn} /> </>}
              <span className="fact-name">{change.fact}</span> <Change before={change.before} after={change.after} />
            </li>
          ))}
          {!open && lines > FEW && <li className="soft">and {lines - FEW} more</li>}
        </ul>
      )}
      {open && (
        <div className="trail-more">
          {checked ? <ProofDetail checked={checked} /> : <p className="soft">Not verified yet.</p>}
          <p className="soft">Claimed <When at={head.claimedAt} /> · role {head.role} · event <code>{head.eventId ?? '—'}</code> · key <code title={head.signer}>{head.signer.slice(0, 12)}</code></p>
        </div>
      )}
    </li>
  );
}

function trailCsv(groups: readonly Group[], checked: ReadonlyMap<number, Checked>): string {
  const rows = groups.flatMap((group) => group.rows.map((row) => [
    row.index, row.loggedAt, row.claimedAt, row.eventType, row.urn, row.status, row.reason, row.actor, row.key.label, row.signer, row.commit?.sha,
    [...row.edges.map((edge) => `${edge.action === 'OPENED' ? 'reads' : 'no longer reads'} ${edge.urn ?? 'restricted'}${edge.expression === null ? '' : ` as ${edge.expression}`}`), ...row.changes.map((change) => `${change.fact}: ${shown(change.before)} -> ${shown(change.after)}`)], checked.get(group.index)?.proof?.state ?? 'not verified']));
  return csv(['entry', 'logged', 'claimed', 'event type', 'urn', 'status', 'reason', 'actor', 'key', 'signer', 'commit', 'changes', 'proof'], rows);
}
