// Small parts of every view: links, names, times, and the states an answer can be in.
import { useEffect, useRef, useState, type AnchorHTMLAttributes, type ReactNode } from 'react';
import type { ApiError, Answer } from '../api/client';
import type { CompleteFragment } from '../api/schema';
import { exact, moment } from '../text';
import { href, navigate, positionOf, usePlace, type Page } from '../url';
import { kindWord, label, lastOf, parseUrn, pathOf } from '../urn';

export function Link({ to, children, ...rest }: { to: string; children: ReactNode } & Omit<AnchorHTMLAttributes<HTMLAnchorElement>, 'href'>) {
  return (
    <a
      {...rest}
      href={to}
      onClick={(event) => {
        if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        navigate(to);
      }}
    >
      {children}
    </a>
  );
}

/** A link to an entity, at the position that is being looked at. */
export function Named({ urn, page = 'entity', children }: { urn: string; page?: Page; children?: ReactNode }) {
  const place = usePlace();
  return (
    <Link to={href(page, { urn, at: positionOf(place) })} title={urn} className="named">
      {children ?? label(urn)}
    </Link>
  );
}

/** A dotted name with its last part in front of the eye. */
export function Name({ name }: { name: string }) {
  const path = pathOf(name);
  return (
    <span className="name">
      {path !== '' && <span className="name-path">{path}{name[path.length]}</span>}
      <span className="name-last">{lastOf(name)}</span>
    </span>
  );
}

export function Kind({ kind }: { kind: string }) {
  return <span className="kind">{kindWord(kind)}</span>;
}

export function When({ at }: { at: string | null | undefined }) {
  return at ? <time dateTime={at} title={exact(at)}>{moment(at)}</time> : <span className="soft">—</span>;
}

export function Copy({ text, what }: { text: string; what: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1_500);
    return () => clearTimeout(timer);
  }, [done]);
  return (
    <button type="button" className="quiet" aria-label={`Copy ${what}`} onClick={() => void navigator.clipboard.writeText(text).then(() => setDone(true))}>
      {done ? 'Copied' : 'Copy'}
    </button>
  );
}

export function Section({ title, note, children, actions }: { title: string; note?: ReactNode | undefined; children: ReactNode; actions?: ReactNode }) {
  return (
    <section className="section">
      <header className="section-head">
        <h2>{title}</h2>
        {note !== undefined && <span className="soft">{note}</span>}
        {actions !== undefined && <span className="actions">{actions}</span>}
      </header>
      {children}
    </section>
  );
}

export function Loading({ what, rows = 4 }: { what: string; rows?: number }) {
  return (
    <div className="loading" role="status">
      <span className="unseen">Loading {what} …</span>
      {Array.from({ length: rows }, (_, row) => <span key={row} className="bar" aria-hidden="true" />)}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children !== undefined && <div className="soft">{children}</div>}
    </div>
  );
}

export function Failed({ error, again }: { error: ApiError; again?: () => void }) {
  const place = usePlace();
  const restricted = error.code === 'forbidden';
  return (
    <div className={restricted ? 'failed failed-restricted' : 'failed'} role="alert">
      <p className="failed-title">{restricted ? 'Your grants do not reach this' : 'This could not be answered'}</p>
      <p>{error.message}</p>
      {error.fix !== null && <p className="soft">{error.fix}</p>}
      <p className="actions">
        {again !== undefined && <button type="button" onClick={again}>Try again</button>}
        {positionOf(place) !== null && <Link to={href(place.page ?? 'search', { ...Object.fromEntries(place.params), at: null })}>Show it as of now</Link>}
        <code className="soft">{error.code}</code>
      </p>
    </div>
  );
}

/** An answer's data, or its state in place of it. The data before stays, dimmed, while the next is on its way. */
export function Ask<T>({ answer, what, children, rows }: { answer: Answer<T>; what: string; rows?: number; children: (data: T) => ReactNode }) {
  if (answer.error) return <Failed error={answer.error} again={answer.again} />;
  if (answer.data === undefined) return <Loading what={what} {...(rows === undefined ? {} : { rows })} />;
  return <div className={answer.loading ? 'answer waiting' : 'answer'} aria-busy={answer.loading}>{children(answer.data)}</div>;
}

/** What an answer admits: cut off, hidden, unknown. Nothing is shown when it is complete. */
export function Notes({ of }: { of: CompleteFragment }) {
  if (of.complete) return null;
  const parts = [of.truncated ? 'cut off at a limit' : null, of.restricted > 0 ? `${of.restricted} restricted` : null, of.unknown > 0 ? `${of.unknown} unknown` : null];
  return (
    <details className="notes">
      <summary>Not complete: {parts.filter((part) => part !== null).join(', ')}</summary>
      <ul>
        {of.reasons.map((reason, row) => (
          <li key={row}>
            {reason.detail} {reason.urn !== null && <Named urn={reason.urn} />} <code className="soft">{reason.code}</code>
          </li>
        ))}
      </ul>
    </details>
  );
}

export function Json({ value }: { value: unknown }) {
  return <pre className="json" tabIndex={0}>{JSON.stringify(value, null, 2)}</pre>;
}

/** A long text in one line, whole on demand. */
export function Long({ text, of = 120 }: { text: string; of?: number }) {
  const [open, setOpen] = useState(false);
  if (text.length <= of) return <span className="long">{text}</span>;
  return (
    <span className="long">
      {open ? text : `${text.slice(0, of)}…`}{' '}
      <button type="button" className="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>{open ? 'less' : 'more'}</button>
    </span>
  );
}

/** Where a name in an URN leads: entities that have a page. */
export function isUrn(value: unknown): value is string {
  return typeof value === 'string' && parseUrn(value) !== null;
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Lineproof`;
  }, [title]);
}

/** True for what is typed into, so that single keys are not taken from it. */
export function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName));
}

export function useKey(key: string, act: (event: KeyboardEvent) => void): void {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.key === key && !event.metaKey && !event.ctrlKey && !event.altKey && !event.defaultPrevented) latest.current(event);
    };
    document.addEventListener('keydown', listen);
    return () => document.removeEventListener('keydown', listen);
  }, [key]);
}
