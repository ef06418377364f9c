// The address bar is the state: page, entity, position, level, direction. Every view can be linked to.
import { useSyncExternalStore } from 'react';

export const BASE = '/ui/';
export const PAGES = ['search', 'entity', 'lineage', 'trace', 'changes', 'impact', 'checks', 'manifest', 'audit', 'entry', 'trust'] as const;
export type Page = (typeof PAGES)[number];

export interface Place {
  readonly page: Page | null;
  readonly params: URLSearchParams;
}

type Params = Readonly<Record<string, string | number | readonly string[] | null | undefined>>;

export function parsePlace(path: string, query: string): Place {
  const name = path.startsWith(BASE) ? path.slice(BASE.length).replace(/\/$/, '') : '';
  const page = name === '' ? 'search' : (PAGES as readonly string[]).includes(name) ? (name as Page) : null;
  return { page, params: new URLSearchParams(query) };
}

export function href(page: Page, params: Params = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value === null || value === undefined || value === '') continue;
    for (const each of Array.isArray(value) ? value : [value]) query.append(name, String(each));
  }
  const text = query.toString();
  return BASE + (page === 'search' ? '' : page) + (text === '' ? '' : `?${text}`);
}

/** The same place with other parameters; null takes one away. */
export function changed(place: Place, params: Params): string {
  const merged: Record<string, string | number | readonly string[] | null | undefined> = {};
  for (const name of place.params.keys()) merged[name] = place.params.getAll(name);
  return href(place.page ?? 'search', { ...merged, ...params });
}

export function positionOf(place: Place): number | null {
  const text = place.params.get('at');
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/** Where a window begins: a position, a day (its start in UTC) or a time. Null if the address does not say, or not so that it is understood. */
export function startOf(place: Place): { readonly size: number } | { readonly time: string } | null {
  const text = place.params.get('from') ?? '';
  if (/^\d{1,15}$/.test(text)) return { size: Number(text) };
  const time = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text) ? text : null;
  return time !== null && !Number.isNaN(Date.parse(time)) ? { time } : null;
}

const EVENT = 'lineproof:navigate';
let current: Place | null = null;
let address = '';

function snapshot(): Place {
  const now = location.pathname + location.search;
  if (current === null || now !== address) {
    address = now;
    current = parsePlace(location.pathname, location.search);
  }
  return current;
}

function subscribe(listener: () => void): () => void {
  window.addEventListener('popstate', listener);
  window.addEventListener(EVENT, listener);
  return () => {
    window.removeEventListener('popstate', listener);
    window.removeEventListener(EVENT, listener);
  };
}

export function usePlace(): Place {
  return useSyncExternalStore(subscribe, snapshot);
}

export function navigate(target: string, replace = false): void {
  if (target === location.pathname + location.search) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', target);
  window.dispatchEvent(new Event(EVENT));
}
