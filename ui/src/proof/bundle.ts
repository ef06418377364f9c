// An evidence bundle (lineproof-bundle@v1) verified with nothing but a trust file, as lineproof_audit/verify.py does it: levels `included` and
// `keys-complete`. The levels above take the service's rules and are tried by `lineproof log verify` only.
import { concat, equal, fromBase64, fromHex, InvalidProof, sha256, toHex, utf8, type Bytes } from './bytes';
import { isSignedBy, parseEnvelope, type Envelope } from './envelope';
import { isObject, parseJson, type JsonObject } from './json';
import { Keyring, KEYRING_TYPES, keyIdOf, signsAs } from './keyring';
import { readErasure } from './keybodies';
import { eventFacts, parseLeaf, type Leaf } from './leaf';
import { leafHash, nodeHash, verifyInclusion } from './merkle';
import type { Checkpoint } from './note';
import { openTrusted, type TrustFile } from './policy';

export interface BundleEntry {
  readonly index: number;
  readonly rawLeaf: Bytes;
  readonly leaf: Leaf;
  readonly salt: Bytes | null;
  readonly envelope: Bytes | null;
  readonly proof: { readonly index: number; readonly hashes: readonly Bytes[]; readonly checkpoint: string };
}

export interface Bundle {
  readonly origin: string;
  readonly toolVersion: string;
  readonly query: unknown;
  readonly answer: unknown;
  readonly checkpoint: string;
  readonly entries: readonly BundleEntry[];
  readonly keyEntries: readonly BundleEntry[];
  readonly leaves: readonly Bytes[] | null;
}

export interface ShownEntry {
  readonly index: number;
  readonly eventType: string;
  readonly received: number;
  readonly signer: string;
  readonly label: string | null;
  readonly problem: string | null;
  readonly note: string | null;
  readonly payload: string | null;
}

export interface Verdict {
  readonly ok: boolean;
  readonly levels: readonly string[];
  readonly failures: readonly string[];
  readonly notReached: readonly string[];
  readonly notes: readonly string[];
  readonly checkpoint: Checkpoint | null;
  readonly entries: readonly ShownEntry[];
  readonly keysKnown: number;
}

const FORMAT = 'lineproof-bundle@v1';
const PROOF_HEADER = 'c2sp.org/tlog-proof@v1';
const ERASURE = 'lineproof.erasure.v1';
const UNERASABLE: ReadonlySet<string> = new Set([...KEYRING_TYPES, ERASURE, 'lineproof.alias.v1']);
const BODY_DOMAIN = utf8('lineproof/body/v1\0');

export function parseBundle(bytes: Uint8Array): Bundle {
  const data = parseJson(bytes, false);
  if (!isObject(data) || data['format'] !== FORMAT) throw new InvalidProof(`not a ${FORMAT}`);
  const leaves = data['leaves'] ?? null;
  return {
    origin: text(data, 'origin'), toolVersion: text(data, 'toolVersion'), query: data['query'], answer: data['answer'], checkpoint: text(data, 'checkpoint'), entries: entriesOf(data, 'entries'),
    keyEntries: entriesOf(data, 'keyEntries'), leaves: leaves === null ? null : list(leaves, 'leaves').map((each) => fromBase64(asText(each, 'leaves'))),
  };
}

/** Bad evidence gives a verdict, never an exception. `progress` is told how many of how many leaves were hashed. */
export async function verifyBundle(bundle: Bundle, trust: TrustFile, progress: (done: number, of: number) => void = () => undefined): Promise<Verdict> {
  let checkpoint: Checkpoint;
  try {
    checkpoint = await openTrusted(bundle.checkpoint, bundle.origin, trust);
  } catch (error) {
    return { ok: false, levels: [], failures: [said(error)], notReached: [], notes: [], checkpoint: null, entries: [], keysKnown: 0 };
  }
  const included = await checkIncluded(bundle, checkpoint, trust);
  const complete = bundle.leaves === null ? null : await checkLeaves(bundle, bundle.leaves, checkpoint, progress);
  const failures = [...included.failures, ...(complete ?? [])];
  const levels = included.failures.length > 0 ? [] : complete !== null && complete.length === 0 ? ['included', 'keys-complete'] : ['included'];
  const notReached = complete === null ? ['keys-complete: the bundle does not hold all leaves (make it with --with-leaves), so a revocation could be hidden'] : [];
  return { ok: failures.length === 0, levels, failures, notReached, notes: included.notes, checkpoint, entries: included.shown, keysKnown: included.keysKnown };
}

interface Included { failures: string[]; notes: string[]; shown: ShownEntry[]; keysKnown: number }

async function checkIncluded(bundle: Bundle, checkpoint: Checkpoint, trust: TrustFile): Promise<Included> {
  const failures: string[] = [];
  const notes: string[] = [];
  const good = new Map<number, { entry: BundleEntry; envelope: Envelope | null }>();
  const seen = new Map<number, BundleEntry>();
  for (const entry of [...bundle.keyEntries, ...bundle.entries]) {
    const before = seen.get(entry.index);
    if (before !== undefined && !same(before, entry)) failures.push(`entry ${entry.index} stands twice with different content`);
    seen.set(entry.index, entry);
    try {
      good.set(entry.index, { entry, envelope: await checkEntry(entry, bundle, checkpoint) });
    } catch (error) {
      failures.push(`entry ${entry.index}: ${said(error)}`);
    }
  }
  const keyring = new Keyring();
  const indices = [...good.keys()].sort((left, right) => left - right);
  for (const index of indices) {
    const { entry, envelope } = good.get(index)!;
    const reason = await keyring.apply(index, entry.leaf, envelope);
    if (reason !== null) notes.push(`entry ${index} changes no key or policy: ${reason}`);
  }
  const trusted = new Set(await Promise.all(trust.logs.filter((key) => key.name === bundle.origin).map((key) => keyIdOf(spkiOf(key.raw)))));
  if (keyring.origin !== bundle.origin || ![...keyring.keys.values()].some((key) => key.purpose === 'log' && trusted.has(key.keyId))) failures.push('the bundle holds no genesis entry that names this origin and the trusted log key');
  const erased = new Set(await Promise.all(indices.map((index) => erases(good.get(index)!.entry, good.get(index)!.envelope, keyring))));
  const shown: ShownEntry[] = [];
  for (const entry of [...bundle.entries].sort((left, right) => left.index - right.index)) {
    const checked = good.get(entry.index);
    const found = checked === undefined ? { problem: failures.find((each) => each.startsWith(`entry ${entry.index}:`)) ?? 'it does not verify', note: null } : await checkSignature(checked.entry, checked.envelope, keyring, erased);
    if (checked !== undefined && found.problem !== null) failures.push(`entry ${entry.index}: ${found.problem}`);
    if (found.note !== null) notes.push(`entry ${entry.index}: ${found.note}`);
    const { leaf } = entry;
    shown.push({ index: entry.index, eventType: leaf.eventType, received: leaf.received, signer: leaf.signer, label: keyring.keys.get(leaf.signer)?.label ?? null, ...found,
      payload: checked?.envelope ? new TextDecoder().decode(checked.envelope.payload) : null });
  }
  return { failures, notes, shown, keysKnown: keyring.keys.size };
}

/** Inclusion, commitment, and agreement of leaf and body; the parsed envelope, null if there is no body. */
async function checkEntry(entry: BundleEntry, bundle: Bundle, checkpoint: Checkpoint): Promise<Envelope | null> {
  if (entry.proof.checkpoint !== bundle.checkpoint || entry.proof.index !== entry.index) throw new InvalidProof('its proof is for another entry or checkpoint');
  await verifyInclusion(await leafHash(entry.rawLeaf), entry.index, checkpoint.size, entry.proof.hashes, checkpoint.root);
  if (entry.envelope === null || entry.salt === null) return null;
  if (entry.salt.length !== 32) throw new InvalidProof('the salt has not 32 bytes');
  if (!equal(await sha256(concat(BODY_DOMAIN, entry.salt, entry.envelope)), fromHex(entry.leaf.body))) throw new InvalidProof('the body is not the one its leaf commits to');
  const envelope = parseEnvelope(entry.envelope);
  const facts = eventFacts(envelope.payloadType, envelope.payload);
  const agrees = facts.eventType === entry.leaf.eventType || (entry.leaf.eventType === 'in-toto.other' && facts.eventType !== null);
  if (envelope.payloadType !== entry.leaf.mediaType || !agrees) throw new InvalidProof('the body is of another type than its leaf says');
  if (facts.audience !== null && facts.audience !== bundle.origin) throw new InvalidProof(`the event is addressed to the log ${facts.audience}`);
  return envelope;
}

/** The index whose body this entry declares erased, if an admin key that was valid at it signed it as an erasure. */
async function erases(entry: BundleEntry, envelope: Envelope | null, keyring: Keyring): Promise<number | null> {
  const { index, leaf } = entry;
  const record = keyring.keys.get(leaf.signer);
  if (leaf.eventType !== ERASURE || envelope === null || envelope.payloadType !== 'application/cloudevents+json' || record?.purpose !== 'admin') return null;
  if (keyring.validity(leaf.signer, index, leaf.received).reason !== null || !(await isSignedBy(envelope, record.spki))) return null;
  try {
    const event = parseJson(envelope.payload, true);
    const data = isObject(event) ? event['data'] : undefined;
    if (!isObject(event) || !isObject(data) || ![undefined, null, keyring.origin].includes(event['audience'] as never)) return null;
    const named = readErasure(data);
    return named < index ? named : null;
  } catch {
    return null; // it erases nothing; where it is cited itself, what is wrong with it is said
  }
}

async function checkSignature(entry: BundleEntry, envelope: Envelope | null, keyring: Keyring, erased: ReadonlySet<number | null>): Promise<{ problem: string | null; note: string | null }> {
  const { index, leaf } = entry;
  const problem = (why: string): { problem: string; note: null } => ({ problem: why, note: null });
  if (envelope === null) {
    if (!erased.has(index) || UNERASABLE.has(leaf.eventType)) return problem('its body is missing and no erasure entry shown says so');
    return { problem: null, note: 'its body was erased; that it was logged is shown, what it said is not' };
  }
  const record = keyring.keys.get(leaf.signer);
  if (record === undefined) return problem(`no key entry shown registers its signer ${leaf.signer.slice(0, 16)}\u2026`);
  if (!(await isSignedBy(envelope, record.spki))) return problem('the signature is false');
  if (leaf.signedBy !== signsAs(record)) return problem(`its leaf says ${leaf.signedBy}, a ${record.purpose} key signed`);
  const validity = keyring.validity(leaf.signer, index, leaf.received);
  if (validity.reason !== null) return problem(validity.reason);
  return { problem: null, note: validity.disputed ? 'it is disputed: its key was revoked later, back to before this entry' : null };
}

/** The root from all leaves, and no genesis, key or policy entry left unread. */
async function checkLeaves(bundle: Bundle, leaves: readonly Bytes[], checkpoint: Checkpoint, progress: (done: number, of: number) => void): Promise<string[]> {
  if (leaves.length !== checkpoint.size) return [`${leaves.length} leaves for a checkpoint of size ${checkpoint.size}`];
  const shown = new Set(bundle.keyEntries.filter((entry) => entry.envelope !== null).map((entry) => entry.index));
  const failures: string[] = [];
  const subtrees: { hash: Bytes; level: number }[] = [];
  for (const [index, raw] of leaves.entries()) {
    let node = { hash: await leafHash(raw), level: 0 };
    while (subtrees.at(-1)?.level === node.level) node = { hash: await nodeHash(subtrees.pop()!.hash, node.hash), level: node.level + 1 };
    subtrees.push(node);
    try {
      const { eventType } = parseLeaf(raw);
      if (KEYRING_TYPES.has(eventType) && !shown.has(index)) failures.push(`entry ${index} is a ${eventType} and the bundle does not show it`);
    } catch (error) {
      failures.push(`leaf ${index}: ${said(error)}`);
    }
    if (index % 1_000 === 999) progress(index + 1, leaves.length);
  }
  let root = subtrees.pop()?.hash ?? (await sha256(new Uint8Array()));
  while (subtrees.length > 0) root = await nodeHash(subtrees.pop()!.hash, root);
  if (!equal(root, checkpoint.root)) failures.push('the leaves do not hash to the root of the checkpoint');
  return failures;
}

function entriesOf(data: JsonObject, key: string): BundleEntry[] {
  return list(data[key], key).map((value, at) => {
    const where = `${key}[${at}]`;
    if (!isObject(value as never)) throw new InvalidProof(`${where} is not an object`);
    const item = value as JsonObject;
    const { index } = item;
    const [salt, envelope] = [item['salt'] ?? null, item['envelope'] ?? null];
    if (typeof index !== 'number') throw new InvalidProof(`${where}: index is not a number`);
    if ((salt === null) !== (envelope === null)) throw new InvalidProof(`${where}: salt and envelope are given together or not at all`);
    const rawLeaf = fromBase64(text(item, 'leaf'));
    return { index, rawLeaf, leaf: parseLeaf(rawLeaf), salt: salt === null ? null : fromBase64(asText(salt, where)), envelope: envelope === null ? null : fromBase64(asText(envelope, where)), proof: parseProof(text(item, 'proof')) };
  });
}

function parseProof(proof: string): BundleEntry['proof'] {
  const blank = proof.indexOf('\n\n');
  const lines = proof.slice(0, Math.max(blank, 0)).split('\n');
  if (blank < 0 || lines.shift() !== PROOF_HEADER) throw new InvalidProof(`a proof starts with ${PROOF_HEADER} and holds a checkpoint after a blank line`);
  if (lines[0]?.startsWith('extra ')) fromBase64(lines.shift()!.slice(6));
  const index = /^index (0|[1-9][0-9]{0,15})$/.exec(lines.shift() ?? '');
  if (index === null || lines.length > 63) throw new InvalidProof('malformed proof');
  return { index: Number(index[1]), hashes: lines.map(fromBase64), checkpoint: proof.slice(blank + 2) };
}

function list(value: unknown, where: string): unknown[] {
  if (!Array.isArray(value)) throw new InvalidProof(`${where} is not a list`);
  return value;
}

function text(data: JsonObject, key: string): string {
  return asText(data[key], key);
}

function asText(value: unknown, where: string): string {
  if (typeof value !== 'string') throw new InvalidProof(`${where} is not a string`);
  return value;
}

function same(left: BundleEntry, right: BundleEntry): boolean {
  const body = (entry: BundleEntry): string => [entry.rawLeaf, entry.salt, entry.envelope, ...entry.proof.hashes].map((each) => (each === null ? '-' : toHex(each))).join(' ') + entry.proof.checkpoint + entry.proof.index;
  return body(left) === body(right);
}

function spkiOf(raw: Bytes): Bytes {
  return concat(fromHex('302a300506032b6570032100'), raw);
}

function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
