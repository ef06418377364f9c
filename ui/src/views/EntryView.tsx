import { useMemo } from 'react';
import { Status } from '../parts/Commit';
import { ProofDetail, ProofMark, TrustLine, useAnchor, useChecked } from '../parts/Proof';
import { Empty, Json, Link, Loading, Section, When, useTitle } from '../parts/basics';
import { download } from '../csv';
import { href, positionOf, type Place } from '../url';

/** One entry of the log: what it says, what became of it, and its proof. */
export function EntryView({ place }: { place: Place }) {
  const text = place.params.get('index') ?? '';
  const index = /^\d{1,15}$/.test(text) ? Number(text) : null;
  const at = positionOf(place);
  const { anchor, problem } = useAnchor();
  const indices = useMemo(() => (index === null ? [] : [index]), [index]);
  const checked = useChecked(indices, anchor).get(index ?? -1);
  useTitle(`Entry ${text}`);
  if (index === null) return <Empty title="An entry is named by its number"><Link to={href('search')}>Back to the start</Link></Empty>;
  const entry = checked?.entry ?? null;
  return (
    <>
      <header className="head">
        <p className="head-kind"><span className="kind">log entry</span></p>
        <h1>Entry {index} <ProofMark checked={checked} waiting={anchor !== null} /></h1>
        <nav className="chips" aria-label="Neighbours">
          {index > 0 && <Link className="chip" to={href('entry', { index: index - 1, at })}>← {index - 1}</Link>}
          <Link className="chip" to={href('entry', { index: index + 1, at })}>{index + 1} →</Link>
          <Link className="chip" to={href('search', { at: index + 1 })}>See everything as of this entry</Link>
        </nav>
      </header>
      {at !== null && index >= at && <p className="warning">At position {at} this entry was not in the log yet.</p>}
      <TrustLine anchor={anchor} problem={problem} />
      {checked === undefined ? problem === null && <Loading what="the entry" />
        : entry === null ? <Empty title="There is no such entry">{checked.problem}</Empty> : (
          <>
            <Section title="Proof" actions={entry.proof && <button type="button" onClick={() => download(`entry-${index}.tlog-proof`, entry.proof!.text, 'text/plain')}>Download tlog-proof</button>}><ProofDetail checked={checked} /></Section>
            <Section title="What it is">
              <dl className="facts">
                <div className="fact"><dt>Event type</dt><dd>{entry.eventType}</dd></div>
                <div className="fact"><dt>Outcome</dt><dd><Status status={entry.status} /> {entry.reason}</dd></div>
                <div className="fact"><dt>Received</dt><dd><When at={entry.received} /></dd></div>
                <div className="fact"><dt>Signed by</dt><dd>{entry.key.label ?? entry.signedBy.toLowerCase()} <Status status={entry.key.state} /> <code className="hash">{entry.signer}</code></dd></div>
                <div className="fact"><dt>Body commitment</dt><dd><code className="hash">{entry.body}</code></dd></div>
              </dl>
            </Section>
            <Section title="What it says">
              {entry.erased ? <Empty title="The body was erased">Its commitment stays in the log, so old proofs hold.</Empty>
                : entry.restricted ? <Empty title="The body is outside your grants">Leaf and proof are shown; what was said needs a grant on its namespaces.</Empty>
                  : <Json value={entry.payload} />}
            </Section>
          </>
        )}
    </>
  );
}
