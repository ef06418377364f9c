// Times, numbers and short forms, in one place so that every view says them alike.

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });
const NUMBER = new Intl.NumberFormat();

export function moment(text: string | null | undefined): string {
  return text ? MOMENT.format(new Date(text)) : '';
}

export function day(text: string | null | undefined): string {
  return text ? DAY.format(new Date(text)) : '';
}

export function exact(text: string | null | undefined): string {
  return text ? EXACT.format(new Date(text)) : '';
}

export function number(value: number | null | undefined): string {
  return value === null || value === undefined ? '' : NUMBER.format(value);
}

export function count(value: number, one: string, many = `${one}s`): string {
  return `${NUMBER.format(value)} ${value === 1 ? one : many}`;
}

export function lasted(start: string | null, end: string | null): string {
  if (!start || !end) return '';
  const seconds = (Date.parse(end) - Date.parse(start)) / 1_000;
  if (seconds < 0.95) return `${Math.round(seconds * 1_000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  return seconds < 3_600 ? `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s` : `${(seconds / 3_600).toFixed(1)} h`;
}

export function shown(value: unknown): string {
  if (value === null || value === undefined) return '—';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return number(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return JSON.stringify(value);
}

/** The address of a link a producer gave; only http and https are ever made clickable. */
export function safeLink(value: unknown): string | null {
  return typeof value === 'string' && /^https?:\/\//i.test(value) ? value : null;
}
