// Facts as a list of name and value, and references to versions.
import type { ReactNode } from 'react';
import { count, safeLink, shown } from '../text';
import { href, positionOf, usePlace } from '../url';
import { formatUrn, label, parseUrn } from '../urn';
import { Json, Link, Long, Named, When, isUrn } from './basics';

export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return <div className="fact"><dt>{name}</dt><dd>{children}</dd></div>;
}

export function Value({ value }: { value: unknown }) {
  if (isUrn(value)) return <Named urn={value} />;
  const link = safeLink(value);
  if (link !== null) return <a href={link} rel="noreferrer noopener" target="_blank">{link}</a>;
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value)) return <When at={value} />;
  if (Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string' && !isUrn(each))) return <Long text={value.join(', ')} />;
  if (typeof value === 'object' && value !== null) {
    const text = JSON.stringify(value);
    return text.length < 90 ? <code>{text}</code> : <details><summary>{Array.isArray(value) ? count(value.length, 'item') : count(Object.keys(value).length, 'field')}</summary><Json value={value} /></details>;
  }
  return <Long text={shown(value)} />;
}

/** `committedAt` as people write it; `timing:<urn>` names what it is about. */
export function words(name: string): string {
  const [head, ...rest] = name.split(':');
  if (rest[0] === 'urn') return `${words(head!)} of ${label(rest.join(':'))}`;
  const spaced = name.replaceAll(/[_:]/g, ' ').replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** A version of a feature or model, as its alias names it. */
export function VersionOf({ urn, version }: { urn: string; version: string | null | undefined }) {
  const head = parseUrn(urn);
  if (!version || head === null) return <>{shown(version)}</>;
  return <Named urn={formatUrn(`${head.kind.replace('-version', '')}-version`, ...head.parts.slice(0, 2), version)}>{version}</Named>;
}

export function EntryLink({ index, children }: { index: number; children?: ReactNode }) {
  const place = usePlace();
  return <Link to={href('entry', { index, at: positionOf(place) })} className="named named-entry">{children ?? `entry ${index}`}</Link>;
}

/** A commit named by its hash alone, linked where its repository is known. */
export function CommitOf({ sha, repository }: { sha: string; repository: string | null }) {
  const hash = parseUrn(sha)?.parts.at(-1) ?? sha;
  const urn = isUrn(sha) ? sha : repository === null ? null : formatUrn('commit', repository, sha);
  return urn === null ? <code>{hash.slice(0, 12)}</code> : <Named urn={urn}><code>{hash.slice(0, 12)}</code></Named>;
}

export function Digest({ hex }: { hex: string }) {
  return <code className="hash" title={hex}>{hex.slice(0, 16)}</code>;
}
