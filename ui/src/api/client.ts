// Questions to the service. The token lives in sessionStorage: it ends with the tab and is never in an address.
import { useEffect, useMemo, useReducer, useRef, useSyncExternalStore } from 'react';
import { DOCUMENTS, type Operations } from './schema';

type Name = keyof Operations;

const TOKEN = 'lineproof.token';
const FRESH_MS = 5_000; // a "now" answer younger than this is shown without asking again
const CACHED_ANSWERS = 400;

/** A refusal: the stable code, what was wrong, and what to do. */
export class ApiError extends Error {
  constructor(readonly code: string, message: string, readonly fix: string | null = null, readonly size: number | null = null) {
    super(message);
  }
}

let token: string | null = readToken();
let ended: string | null = null;
const listeners = new Set<() => void>();

function readToken(): string | null {
  try {
    return sessionStorage.getItem(TOKEN);
  } catch {
    return null;
  }
}

export function signIn(value: string): void {
  token = value;
  ended = null;
  cache.clear();
  try {
    sessionStorage.setItem(TOKEN, value);
  } catch {
    // kept in memory: the sign-in ends with the page
  }
  for (const listener of listeners) listener();
}

export function signOut(reason: string | null = null): void {
  token = null;
  ended = reason;
  cache.clear();
  try {
    sessionStorage.removeItem(TOKEN);
  } catch {
    // nothing was kept
  }
  for (const listener of listeners) listener();
}

export function useSignedIn(): boolean {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => token !== null,
  );
}

export function whyEnded(): string | null {
  return ended;
}

/** Ask once. `as` is for trying a token before it is kept. */
export async function ask<N extends Name>(name: N, variables: Operations[N]['variables'], signal?: AbortSignal, as?: string): Promise<Operations[N]['result']> {
  let response: Response;
  try {
    response = await fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${as ?? token ?? ''}` },
      body: JSON.stringify({ query: DOCUMENTS[name], variables, operationName: name }),
      signal: signal ?? null,
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError('unreachable', 'The service does not answer.', 'Check that lineproof serve is running, then try again.');
  }
  const body = (await response.json().catch(() => null)) as { data?: Operations[N]['result']; errors?: GraphError[]; code?: string; detail?: string; fix?: string } | null;
  if (response.status === 401) {
    const detail = body?.detail ?? 'The token is not valid.';
    if (as === undefined) signOut(detail);
    throw new ApiError(body?.code ?? 'unauthenticated', detail, body?.fix ?? null);
  }
  const first = body?.errors?.[0];
  if (first) throw new ApiError(first.extensions?.code ?? 'internal', first.message, first.extensions?.fix ?? null, first.extensions?.size ?? null);
  if (!response.ok || !body?.data) throw new ApiError(body?.code ?? 'unreachable', body?.detail ?? `The service answered ${response.status}.`, body?.fix ?? null);
  return body.data;
}

/** A text of the artifact store. Raises ApiError. */
export async function artifactText(digest: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(`/api/v1/artifacts/sha256:${encodeURIComponent(digest)}`, { headers: { authorization: `Bearer ${token ?? ''}` }, signal });
  if (response.ok) return response.text();
  const body = (await response.json().catch(() => null)) as { code?: string; detail?: string; fix?: string } | null;
  throw new ApiError(body?.code ?? 'unreachable', body?.detail ?? `The service answered ${response.status}.`, body?.fix ?? null);
}

interface GraphError {
  message: string;
  extensions?: { code?: string; fix?: string; size?: number };
}

interface Cached {
  promise: Promise<unknown>;
  value?: unknown;
  error?: ApiError;
  at: number;
}

const cache = new Map<string, Cached>();

function isPast(variables: object): boolean {
  return 'at' in variables && variables.at !== null && variables.at !== undefined;
}

/** Ask through the cache. Answers at a position never change, those of now are asked again after a while. */
export function askCached<N extends Name>(name: N, variables: Operations[N]['variables']): Cached {
  const key = `${name} ${JSON.stringify(variables)}`;
  const found = cache.get(key);
  if (found && found.error === undefined && (isPast(variables) || Date.now() - found.at < FRESH_MS)) {
    cache.delete(key);
    cache.set(key, found);
    return found;
  }
  const entry: Cached = { promise: Promise.resolve(), at: Date.now() };
  if (found?.value !== undefined) entry.value = found.value;
  entry.promise = ask(name, variables).then(
    (value) => {
      entry.value = value;
      delete entry.error;
    },
    (error: unknown) => {
      entry.error = error instanceof ApiError ? error : new ApiError('internal', String(error));
    },
  );
  cache.set(key, entry);
  if (cache.size > CACHED_ANSWERS) cache.delete(cache.keys().next().value!);
  return entry;
}

export interface Answer<T> {
  readonly data: T | undefined;
  readonly error: ApiError | undefined;
  /** True while a newer answer is on its way; `data` is then the one before, so that nothing flickers. */
  readonly loading: boolean;
  readonly again: () => void;
}

/** One question. Null variables ask nothing. */
export function useAsk<N extends Name>(name: N, variables: Operations[N]['variables'] | null): Answer<Operations[N]['result']> {
  const [first] = useAskAll(name, variables === null ? [] : [variables]);
  return first ?? IDLE;
}

const IDLE: Answer<never> = { data: undefined, error: undefined, loading: false, again: () => undefined };

/** Several questions of one kind; answers stand in the order of the variables. */
export function useAskAll<N extends Name>(name: N, all: readonly Operations[N]['variables'][]): Answer<Operations[N]['result']>[] {
  const [round, tick] = useReducer((count: number) => count + 1, 0);
  const kept = useRef<{ subject: string; values: (Operations[N]['result'] | undefined)[] }>({ subject: '', values: [] });
  const key = JSON.stringify(all);
  const entries = useMemo(() => all.map((variables) => askCached(name, variables)), [name, key, round]);
  useEffect(() => {
    let alive = true;
    for (const entry of entries) void entry.promise.then(() => alive && force());
    return () => {
      alive = false;
    };
  }, [entries]);
  const [, force] = useReducer((count: number) => count + 1, 0);
  // the answer before may stand in only for the same subject: another entity's facts must never be shown under this one's name
  const subject = name + JSON.stringify(all.map((variables) => ({ ...variables, at: null })));
  if (kept.current.subject !== subject) kept.current = { subject, values: [] };
  return entries.map((entry, position) => {
    if (entry.value !== undefined) kept.current.values[position] = entry.value as Operations[N]['result'];
    return {
      data: entry.error ? undefined : kept.current.values[position],
      error: entry.error,
      loading: entry.value === undefined && entry.error === undefined,
      again: tick,
    };
  });
}
