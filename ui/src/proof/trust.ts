// What this browser trusts for a log: a pasted trust file or key, else the first key it saw (trust on first use), kept per origin. The newest
// checkpoint seen is kept too: a log that later signs fewer entries, or others of the same number, was rolled back or forked.
import { useSyncExternalStore } from 'react';
import { fromBase64, InvalidProof, toHex } from './bytes';
import { rawOfSpki, trustKey } from './note';
import { openTrusted, parseTrustFile, type TrustFile } from './policy';

const PREFIX = 'lineproof.trust.';

interface Stored {
  readonly trust: string;
  readonly pasted: boolean;
  readonly size?: number;
  readonly root?: string;
}

export interface Trust {
  readonly origin: string;
  readonly file: TrustFile;
  readonly pasted: boolean;
  /** Null, or why the log cannot be believed although signatures are good. */
  readonly alarm: string | null;
}

let version = 0;
const listeners = new Set<() => void>();

function changed(): void {
  version += 1;
  for (const listener of listeners) listener();
}

/** Counts up with every change of trust, so that views verify again. */
export function useTrustVersion(): number {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => version,
  );
}

function read(origin: string): Stored | null {
  try {
    const value = JSON.parse(localStorage.getItem(PREFIX + origin) ?? 'null') as Stored | null;
    return value !== null && typeof value.trust === 'string' ? value : null;
  } catch {
    return null;
  }
}

function write(origin: string, stored: Stored): void {
  try {
    localStorage.setItem(PREFIX + origin, JSON.stringify(stored));
  } catch {
    // a browser without storage: every visit is a first use, which the page says
  }
}

/** What is trusted of a log. `published` are the log keys it publishes itself, only believed on first use. */
export async function trustFor(origin: string, published: readonly string[], note: string | null): Promise<Trust> {
  const stored = read(origin);
  const current = published.at(-1);
  let text: string;
  let alarm: string | null = null;
  if (stored !== null) text = stored.trust;
  else {
    if (current === undefined) throw new InvalidProof('the log publishes no key of its own');
    text = (await trustKey(origin, rawOfSpki(fromBase64(current)))).vkey;
  }
  const file = await parseTrustFile(text);
  let seen: Pick<Stored, 'size' | 'root'> = { size: stored?.size, root: stored?.root };
  if (note !== null) {
    try {
      const checkpoint = await openTrusted(note, origin, file);
      const root = toHex(checkpoint.root);
      if (seen.size !== undefined && checkpoint.size < seen.size) alarm = `this browser has seen a signed checkpoint of ${seen.size} entries, now it gets one of ${checkpoint.size}: the log was rolled back`;
      else if (seen.size === checkpoint.size && seen.root !== root) alarm = `two signed checkpoints of ${checkpoint.size} entries with different roots: the log was forked`;
      else seen = { size: checkpoint.size, root };
    } catch (error) {
      alarm = error instanceof Error ? error.message : String(error);
    }
  }
  write(origin, { trust: text, pasted: stored?.pasted ?? false, ...seen });
  return { origin, file, pasted: stored?.pasted ?? false, alarm };
}

export async function pasteTrust(origin: string, text: string): Promise<void> {
  const { logs } = await parseTrustFile(text);
  if (!logs.some((key) => key.name === origin)) throw new InvalidProof(`the key is of ${logs.map((key) => key.name).join(', ')}, this log is ${origin}`);
  write(origin, { trust: text, pasted: true });
  changed();
}

export function forgetTrust(origin: string): void {
  try {
    localStorage.removeItem(PREFIX + origin);
  } catch {
    // nothing was kept
  }
  changed();
}
