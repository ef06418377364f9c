// urn:lineproof:<kind>:<component>:…, each component percent-encoded.

export interface Urn {
  readonly kind: string;
  readonly parts: readonly string[];
}

export function parseUrn(text: string): Urn | null {
  const [scheme, project, kind, ...parts] = text.split(':');
  if (scheme !== 'urn' || project !== 'lineproof' || !kind || parts.length === 0) return null;
  try {
    return { kind, parts: parts.map(decodeURIComponent) };
  } catch {
    return null;
  }
}

export function formatUrn(kind: string, ...parts: string[]): string {
  const encode = (part: string) => encodeURIComponent(part).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  return ['urn', 'lineproof', kind, ...parts.map(encode)].join(':');
}

/** The dataset that a column belongs to, by its URN; null for everything else. */
export function datasetOf(column: string): string | null {
  const parts = column.split(':');
  return parts[2] === 'column' && parts.length === 6 ? ['urn', 'lineproof', 'dataset', parts[3], parts[4]].join(':') : null;
}

/** Hashes and run ids are too long to be names: the first characters tell them apart. */
function brief(part: string): string {
  if (part.startsWith('run:')) return `run ${brief(part.slice(4))}`;
  return /^[0-9a-f]{24,}$/.test(part) || /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(part) ? part.slice(0, 12) : part;
}

/** What people call it: the name without its namespace. */
export function label(text: string): string {
  const urn = parseUrn(text);
  if (urn === null) return text;
  const { kind, parts } = urn;
  const named = parts.length > 1 ? parts.slice(1) : parts;
  if (kind === 'column') return `${lastOf(named[0] ?? '')}.${named.at(-1) ?? ''}`;
  if (kind === 'commit' || kind === 'run') return brief(named.at(-1) ?? '');
  if (kind === 'dataset-version' || kind === 'transformation') return `${lastOf(named[0] ?? '')} @ ${brief(named.at(-1) ?? '')}`;
  if (kind.endsWith('-version')) return `${named[0] ?? ''} v${named.at(-1) ?? ''}`;
  if (kind === 'dataset' || kind === 'job') return lastOf(named.at(-1) ?? '');
  return named.map(brief).join(' ');
}

/** `flights.training.training_set` is read as its last part; a file keeps its extension. */
export function lastOf(name: string): string {
  if (name.includes('/')) return name.slice(name.lastIndexOf('/') + 1) || name;
  if (/\.(csv|parquet|json|avro|orc|txt|gz)$/i.test(name)) return name;
  return name.slice(name.lastIndexOf('.') + 1) || name;
}

/** What stands before the last part. */
export function pathOf(name: string): string {
  const last = lastOf(name);
  return name.length > last.length ? name.slice(0, name.length - last.length).replace(/[./]$/, '') : '';
}

export function kindWord(kind: string): string {
  return kind.toLowerCase().replaceAll('_', ' ').replaceAll('-', ' ');
}
