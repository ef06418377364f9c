// Code and other texts from the artifact store, fetched when they are asked for.
import { useEffect, useState } from 'react';
import { artifactText, useAsk, ApiError } from '../api/client';
import { Digest } from './facts';
import { Source } from './Source';

const AROUND = 3; // lines before and after the one meant

function useArtifact(digest: string | null): { text: string | null; problem: string | null } {
  const [state, setState] = useState<{ text: string | null; problem: string | null }>({ text: null, problem: null });
  useEffect(() => {
    if (digest === null) return;
    const aborter = new AbortController();
    artifactText(digest, aborter.signal).then(
      (text) => setState({ text, problem: null }),
      (error: unknown) => !aborter.signal.aborted && setState({ text: null, problem: error instanceof ApiError ? error.message : String(error) }),
    );
    return () => aborter.abort();
  }, [digest]);
  return state;
}

export function Artifact({ digest }: { digest: string }) {
  const [open, setOpen] = useState(false);
  const { text, problem } = useArtifact(open ? digest : null);
  return (
    <>
      <Digest hex={digest} /> <button type="button" className="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>{open ? 'hide' : 'show'}</button>
      {open && problem !== null && <p className="problem" role="alert">{problem}</p>}
      {open && text !== null && <pre className="code" tabIndex={0} aria-label="Text of the artifact">{text}</pre>}
    </>
  );
}

/** The lines around a place in the code of a transformation; nothing while its text is not to be had. */
export function Lines({ transformation, file, line, at }: { transformation: string; file: string; line: number; at: number | null }) {
  const answer = useAsk('Entity', { urn: transformation, at: at === null ? null : { size: at } });
  const facts = new Map(answer.data?.entity.entity?.facts.map((fact) => [fact.name, fact.value]) ?? []);
  const modules = (facts.get('modules') ?? {}) as Readonly<Record<string, unknown>>;
  const own = facts.get('path') === undefined || facts.get('path') === file;
  const digest = own ? facts.get('rawCode') : modules[file];
  const { text } = useArtifact(typeof digest === 'string' ? digest : null);
  if (text === null) return null;
  const start = Math.max(1, line - AROUND);
  return <Source snippet={{ file, start, highlight: line, lines: text.split('\n').slice(start - 1, line + AROUND) }} />;
}
