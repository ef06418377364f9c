// What genesis, key, policy and erasure entries say, as lineproof_audit/admin_bodies.py and erasures.py read it. Scopes are compared only, so they are kept as one text.
import { fromBase64, type Bytes } from './bytes';
import { isObject, type Json, type JsonObject } from './json';
import { rawOfSpki } from './note';

export class BodyError extends Error {}

export interface Genesis {
  readonly origin: string;
  readonly logKey: Bytes;
  readonly notaryKey: Bytes;
  readonly rootAdminKey: Bytes;
}

export interface Enrolment {
  readonly binding: string;
  readonly issuer: string;
  readonly token: string;
  readonly tokenId: string;
  readonly claims: ReadonlyMap<string, string>;
  readonly possession: Bytes;
}

export interface KeyChange {
  readonly action: string;
  readonly keyId: string;
  readonly purpose: string;
  readonly publicKey: Bytes | null;
  readonly tenant: string | null;
  readonly label: string | null;
  readonly scope: string | null;
  readonly lastValid: number | null;
  readonly replaces: string | null;
  readonly notAfter: number | null;
  readonly oldSignature: Bytes | null;
  readonly newSignature: Bytes | null;
  readonly enrolment: Enrolment | null;
}

export interface Binding {
  readonly id: string;
  readonly provider: string;
  readonly issuer: string;
  readonly tenant: string;
  readonly scope: string;
  readonly claims: ReadonlyMap<string, readonly string[]>;
  readonly seconds: number;
}

export interface Policy {
  readonly previous: number | null;
  readonly bindings: readonly Binding[];
}

const SYSTEM_TENANT = '0'.repeat(32);
const ISSUER = /^(?:https:\/\/[a-zA-Z0-9.-]+|http:\/\/(?:127\.0\.0\.1|localhost|\[::1\]))(?::[0-9]{1,5})?(?:\/[A-Za-z0-9._~/-]*)?$/;
const INSTANT = /^((?!0000)\d{4}-\d\d-(\d\d)[T ](?:[01]\d|2[0-3]):\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)$/;
const PROVIDERS: ReadonlyMap<string, { identity: string; event: string; outside: ReadonlySet<string> }> = new Map([
  ['github', { identity: 'repository_id', event: 'event_name', outside: new Set(['pull_request', 'pull_request_target', 'pull_request_review', 'pull_request_review_comment', 'issue_comment', 'issues', 'discussion', 'discussion_comment', 'fork', 'watch']) }],
  ['gitlab', { identity: 'project_id', event: 'pipeline_source', outside: new Set(['merge_request_event', 'external_pull_request_event']) }],
]);

type Read<T> = (value: Json) => T;

export function readGenesis(data: JsonObject): Genesis {
  return { origin: field(data, 'origin', name), logKey: field(data, 'logKey', publicKey), notaryKey: field(data, 'notaryKey', publicKey), rootAdminKey: field(data, 'rootAdminKey', publicKey) };
}

export function readKey(data: JsonObject): KeyChange {
  const change: KeyChange = {
    action: field(data, 'action', oneOf('register', 'rotate', 'revoke')), keyId: field(data, 'keyId', hex64), purpose: given(data, 'purpose', oneOf('producer', 'notary', 'log', 'admin'), 'producer'),
    publicKey: optional(data, 'publicKey', publicKey), tenant: optional(data, 'tenant', hex32), label: optional(data, 'label', string), scope: optional(data, 'scope', scope),
    lastValid: optional(data, 'lastValid', entryIndex), replaces: optional(data, 'replaces', hex64), notAfter: optional(data, 'notAfter', instant),
    oldSignature: optional(data, 'oldSignature', signature), newSignature: optional(data, 'newSignature', signature), enrolment: optional(data, 'enrolment', enrolment),
  };
  optional(data, 'reason', string);
  if (change.action !== 'revoke' && change.publicKey === null) throw new BodyError('register and rotate need publicKey');
  if (change.action === 'revoke' && change.lastValid === null) throw new BodyError('revoke needs lastValid');
  if (change.purpose === 'producer' && change.action === 'register' && (change.tenant === null || change.scope === null)) throw new BodyError('a producer key needs tenant and scope');
  if (change.action === 'rotate' && (change.oldSignature === null || change.newSignature === null)) throw new BodyError('rotate needs oldSignature and newSignature');
  if (change.enrolment !== null && (change.action !== 'register' || change.purpose !== 'producer' || change.notAfter === null)) throw new BodyError('an enrolment registers a producer key with notAfter');
  return change;
}

export function readPolicy(data: JsonObject): Policy {
  const tenants = field(data, 'tenants', listOf(tenant));
  given(data, 'grants', listOf(grant), []);
  given(data, 'logRead', oneOf('public', 'restricted'), 'public');
  given(data, 'protectedAliases', strings, []);
  const policy = { previous: optional(data, 'previous', entryIndex), bindings: given(data, 'bindings', listOf(binding), []) };
  const ids = tenants.map((each) => each.id);
  const prefixes = tenants.flatMap((each) => each.prefixes);
  if (new Set(policy.bindings.map((each) => each.id)).size !== policy.bindings.length) throw new BodyError('a binding\u2019s id stands twice');
  if (new Set(ids).size !== ids.length || ids.includes(SYSTEM_TENANT)) throw new BodyError('a tenant stands twice, or is the system\u2019s');
  if (new Set(prefixes).size !== prefixes.length) throw new BodyError('a namespace prefix belongs to two tenants');
  return policy;
}

/** The entry that an erasure names. */
export function readErasure(data: JsonObject): number {
  const entry = field(data, 'entry', entryIndex);
  optional(data, 'replacement', entryIndex);
  field(data, 'reason', name);
  optional(data, 'legalBasis', string);
  optional(data, 'artifacts', listOf(hex64));
  return entry;
}

/** Why a job with these claims gets no key; null if it does. */
export function refuses(of: Binding, claims: ReadonlyMap<string, string>): string | null {
  const provider = PROVIDERS.get(of.provider)!;
  const matches = (pattern: string, value: string): boolean => (pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : value === pattern);
  if (!(of.claims.get(provider.identity) ?? []).includes(claims.get(provider.identity) ?? '')) return `${provider.identity} is not one of the binding\u2019s`;
  const event = claims.get(provider.event);
  if (event === undefined || (provider.outside.has(event) && !(of.claims.get(provider.event) ?? []).includes(event))) return `${provider.event} may come from outside the repository`;
  for (const [claim, allowed] of of.claims) {
    const value = claims.get(claim);
    if (value === undefined || !allowed.some((pattern) => matches(pattern, value))) return `${claim} is not what the binding allows`;
  }
  return null;
}

function field<T>(data: JsonObject, key: string, read: Read<T>): T {
  const value = data[key];
  if (value === undefined) throw new BodyError(`${key} is missing`);
  return read(value);
}

function given<T>(data: JsonObject, key: string, read: Read<T>, otherwise: T): T {
  return key in data ? field(data, key, read) : otherwise;
}

function optional<T>(data: JsonObject, key: string, read: Read<T>): T | null {
  return (data[key] ?? null) === null ? null : field(data, key, read);
}

function string(value: Json): string {
  if (typeof value !== 'string') throw new BodyError('not a string');
  return value;
}

function matching(pattern: RegExp): Read<string> {
  return (value) => {
    const text = string(value);
    if (!pattern.test(text)) throw new BodyError(`does not match ${pattern.source}`);
    return text;
  };
}

const hex64 = matching(/^[0-9a-f]{64}$/);
const hex32 = matching(/^[0-9a-f]{32}$/);
const issuer = matching(ISSUER);

function name(value: Json): string {
  const text = string(value);
  const length = [...text].length;
  if (length < 1 || length > 1024) throw new BodyError('not 1 to 1024 characters');
  return text;
}

function oneOf(...allowed: string[]): Read<string> {
  return (value) => {
    const text = string(value);
    if (!allowed.includes(text)) throw new BodyError(`not one of ${allowed.join(', ')}`);
    return text;
  };
}

function listOf<T>(read: Read<T>): Read<T[]> {
  return (value) => {
    if (!Array.isArray(value)) throw new BodyError('not a list');
    return value.map(read);
  };
}

const strings = listOf(string);

function object(value: Json): JsonObject {
  if (!isObject(value)) throw new BodyError('not an object');
  return value;
}

function mapOf<T>(read: Read<T>): Read<Map<string, T>> {
  return (value) => new Map(Object.entries(object(value)).map(([key, item]) => [key, read(item)]));
}

function entryIndex(value: Json): number {
  if (typeof value !== 'number' || value < 0) throw new BodyError('not an entry index');
  return value;
}

/** A time as \u00b5s since the epoch. */
function instant(value: Json): number {
  const found = INSTANT.exec(string(value));
  if (found === null) throw new BodyError('not an RFC 3339 time');
  const [, time, day, fraction, zone] = found;
  const milliseconds = Date.parse(`${time!.replace(' ', 'T')}${zone!}`);
  if (Number.isNaN(milliseconds) || new Date(time!.slice(0, 10)).getUTCDate() !== Number(day)) throw new BodyError('not an RFC 3339 time'); // Date takes 30 February for 2 March
  return milliseconds * 1_000 + Number((fraction ?? '').padEnd(6, '0'));
}

function bytes(value: Json): Bytes {
  try {
    return fromBase64(string(value));
  } catch {
    throw new BodyError('not base64');
  }
}

function publicKey(value: Json): Bytes {
  const spki = bytes(value);
  try {
    rawOfSpki(spki);
  } catch {
    throw new BodyError('not an Ed25519 public key');
  }
  return spki;
}

function signature(value: Json): Bytes {
  const found = bytes(value);
  if (found.length !== 64) throw new BodyError('not a signature of 64 bytes');
  return found;
}

function scope(value: Json): string {
  const data = object(value);
  return JSON.stringify([given(data, 'namespaces', strings, []), given(data, 'eventTypes', strings, ['*']), given(data, 'sources', strings, ['*'])]);
}

function tenant(value: Json): { id: string; prefixes: string[] } {
  const data = object(value);
  field(data, 'name', name);
  return { id: field(data, 'id', hex32), prefixes: given(data, 'prefixes', strings, []) };
}

function grant(value: Json): void {
  const data = object(value);
  field(data, 'viewer', string);
  field(data, 'role', oneOf('admin', 'ingest', 'reader', 'auditor', 'operator'));
  given(data, 'prefixes', strings, []);
  optional(data, 'ceiling', string);
}

function enrolment(value: Json): Enrolment {
  const data = object(value);
  return {
    binding: field(data, 'binding', name), issuer: field(data, 'issuer', name), token: field(data, 'token', hex64), tokenId: field(data, 'tokenId', hex64), claims: field(data, 'claims', mapOf(string)),
    possession: field(data, 'possession', signature),
  };
}

function binding(value: Json): Binding {
  const data = object(value);
  const found: Binding = {
    id: field(data, 'id', name), provider: field(data, 'provider', oneOf(...PROVIDERS.keys())), issuer: field(data, 'issuer', (text) => issuer(name(text))), tenant: field(data, 'tenant', hex32),
    scope: field(data, 'scope', scope), claims: field(data, 'claims', mapOf(strings)), seconds: given(data, 'seconds', seconds, 3_600),
  };
  const { identity } = PROVIDERS.get(found.provider)!;
  const numbers = found.claims.get(identity) ?? [];
  if (numbers.length === 0 || !numbers.every((number) => /^[0-9]{1,20}$/.test(number))) throw new BodyError(`a binding lists repositories by number, in claims.${identity}`);
  return found;
}

function seconds(value: Json): number {
  if (typeof value !== 'number' || value < 60 || value > 86_400) throw new BodyError('not 60 to 86400 seconds');
  return value;
}
