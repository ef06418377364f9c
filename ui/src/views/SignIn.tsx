import { useState, type FormEvent } from 'react';
import { ApiError, ask, signIn, whyEnded } from '../api/client';
import { useTitle } from '../parts/basics';

export function SignIn() {
  useTitle('Sign in');
  const [token, setToken] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(whyEnded());

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await ask('Session', {}, undefined, token.trim());
      signIn(token.trim());
    } catch (error) {
      setProblem(error instanceof ApiError ? error.message : String(error));
      setBusy(false);
    }
  }

  return (
    <main className="signin">
      <h1 className="wordmark">Lineproof</h1>
      <p className="soft">Where each number came from, who changed it, and the proof.</p>
      <form onSubmit={(event) => void submit(event)}>
        <label htmlFor="token">Access token</label>
        <input id="token" type="password" autoComplete="off" autoFocus required value={token} onChange={(event) => setToken(event.target.value)} aria-describedby="token-help" />
        {problem !== null && <p className="problem" role="alert">{problem}</p>}
        <button type="submit" className="primary" disabled={busy || token.trim() === ''}>{busy ? 'Signing in …' : 'Sign in'}</button>
        <p id="token-help" className="soft">
          The first admin token lies in the service’s state directory (<code>admin-token</code>); others come from <code>lineproof tokens create</code>. It is kept for this tab only.
        </p>
      </form>
    </main>
  );
}
