import { useState, type FormEvent } from 'react';
import { useAsk } from '../api/client';
import { forgetTrust, pasteTrust } from '../proof/trust';
import { Copy, Failed, Section, useTitle } from '../parts/basics';
import { TrustLine, useAnchor } from '../parts/Proof';
import { Table } from '../parts/table';
import { positionOf, type Place } from '../url';

export function TrustView({ place }: { place: Place }) {
  const at = positionOf(place);
  useTitle('Trust');
  const session = useAsk('Session', {});
  const history = useAsk('Keys', { at: at === null ? null : { size: at } });
  const { anchor, problem } = useAnchor();
  const [text, setText] = useState('');
  const [refused, setRefused] = useState<string | null>(null);
  const origin = session.data?.checkpoint.origin ?? null;

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (origin === null) return;
    try {
      await pasteTrust(origin, text);
      setText('');
      setRefused(null);
    } catch (error) {
      setRefused(error instanceof Error ? error.message : String(error));
    }
  }

  return (
    <>
      <header className="head">
        <h1>What this browser trusts</h1>
        <p className="lead">Every proof on these pages is recomputed here, from the entry’s bytes up to the signed root. What remains to be trusted is one key, and this page itself, which comes from the service; <code>lineproof log verify</code> needs neither.</p>
      </header>
      <TrustLine anchor={anchor} problem={problem} />
      {anchor && (
        <Section title="Key of the log">
          {anchor.trust.file.logs.filter((key) => key.name === anchor.trust.origin).map((key) => <p key={key.vkey} className="vkey"><code className="hash">{key.vkey}</code> <Copy text={key.vkey} what="the key" /></p>)}
          {anchor.trust.file.quorum !== null && <p className="soft">A checkpoint counts only with the cosignatures of witnesses that your trust file asks for.</p>}
          <p className="soft">Compare it with what <code>lineproof keys trust</code> prints on the machine of the log, told to you over another channel.</p>
          <form className="paste" onSubmit={(event) => void submit(event)}>
            <label htmlFor="vkey">Paste a trust key, or a whole trust file</label>
            <textarea id="vkey" rows={3} spellCheck={false} value={text} onChange={(event) => setText(event.target.value)} />
            {refused !== null && <p className="problem" role="alert">{refused}</p>}
            <p className="actions">
              <button type="submit" className="primary" disabled={text.trim() === ''}>Trust this key</button>
              <button type="button" onClick={() => origin !== null && forgetTrust(origin)}>Forget, and trust on first use</button>
            </p>
          </form>
        </Section>
      )}
      {session.data?.checkpoint.text && <Section title="Latest checkpoint" note={`${session.data.checkpoint.size} entries`}><pre className="code" tabIndex={0} aria-label="Signed checkpoint">{session.data.checkpoint.text}</pre></Section>}
      {history.error && <Failed error={history.error} again={history.again} />}
      {history.data && (
        <Section title="Keys in the log" note={at === null ? undefined : `as of position ${at}`}>
          <Table caption="Keys" head={['Key', 'Purpose', 'Label', 'Valid from entry', 'Last valid entry']}>
            {history.data.keyHistory.keys.map((key) => <tr key={key.keyId}><td><code title={key.keyId}>{key.keyId.slice(0, 16)}</code></td><td>{key.purpose}</td><td>{key.label}</td><td className="figure">{key.validFrom}</td><td className="figure">{key.lastValid ?? '—'}</td></tr>)}
          </Table>
        </Section>
      )}
    </>
  );
}
