// A value before and after, so that the eye finds what differs.
import { shown } from '../text';
import { Long, Named, isUrn } from './basics';

/** Lists of named things are told apart by name: a schema of 200 columns of which one changed is one line. */
export function Change({ before, after }: { before: unknown; after: unknown }) {
  const parts = namedChanges(before, after);
  if (parts !== null) return <span className="said">{parts.length === 0 ? 'the same, said otherwise' : <Long text={parts.join(', ')} of={160} />}</span>;
  return <>{before !== null && before !== undefined && <><Said value={before} tone="before" /> → </>}<Said value={after} tone="after" /></>;
}

function namedChanges(before: unknown, after: unknown): string[] | null {
  const names = (value: unknown) => (Array.isArray(value) && value.every((each) => typeof (each as { name?: unknown } | null)?.name === 'string') ? new Map(value.map((each) => [(each as { name: string }).name, each as Record<string, unknown>])) : null);
  const [old, now] = [names(before), names(after)];
  if (now === null || (old === null && before !== null && before !== undefined)) return null;
  if (old === null) return [[...now.keys()].join(', ')];
  const parts: string[] = [];
  for (const name of now.keys()) if (!old.has(name)) parts.push(`+ ${name}`);
  for (const name of old.keys()) if (!now.has(name)) parts.push(`− ${name}`);
  for (const [name, value] of now) {
    const was = old.get(name);
    if (was === undefined || JSON.stringify(was) === JSON.stringify(value)) continue;
    const fields = Object.keys({ ...was, ...value }).filter((field) => JSON.stringify(was[field]) !== JSON.stringify(value[field]));
    parts.push(`${name}: ${fields.map((field) => `${shown(was[field])} → ${shown(value[field])}`).join('; ')}`);
  }
  return parts;
}

function Said({ value, tone }: { value: unknown; tone: 'before' | 'after' }) {
  if (isUrn(value)) return <Named urn={value} />;
  return <span className={`said said-${tone}`}><Long text={value === null || value === undefined ? 'nothing' : shown(value)} of={90} /></span>;
}
