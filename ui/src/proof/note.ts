// C2SP signed notes, tlog checkpoints and verifier keys. Only Ed25519 (type 0x01) is verified here; lines of other keys are ignored, as the
// specification demands (those of witnesses are `policy`'s).
import { concat, equal, fromBase64, fromHex, InvalidProof, sha256, subtle, toBase64, toHex, utf8, type Bytes } from './bytes';

export const ED25519 = 1;
const MAX_NOTE_BYTES = 1_000_000;
const MAX_NOTE_SIGNATURES = 100;

export interface TrustKey {
  readonly name: string;
  readonly id: Bytes;
  readonly raw: Bytes;
  readonly vkey: string;
}

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Bytes;
}

interface SignatureLine {
  readonly name: string;
  readonly id: Bytes;
  readonly signature: Bytes;
}

/** `kind` says what a key signs: notes (`ED25519`), or as a witness. */
export async function trustKey(name: string, raw: Bytes, kind: number = ED25519): Promise<TrustKey> {
  if (name === '' || /[+\s\u0000-\u001f]/.test(name)) throw new InvalidProof('a key name is not empty and holds no space and no +');
  if (raw.length !== 32) throw new InvalidProof(`an Ed25519 key has 32 bytes, not ${raw.length}`);
  const typed = concat(Uint8Array.of(kind), raw);
  const id = (await sha256(concat(utf8(`${name}\n`), typed))).slice(0, 4);
  return { name, id, raw, vkey: `${name}+${toHex(id)}+${toBase64(typed)}` };
}

/** A verifier key `<name>+<id>+<base64>` whose signatures are of type `kind`. */
export async function parseVkey(vkey: string, kind: number = ED25519): Promise<TrustKey> {
  const first = vkey.indexOf('+');
  const second = vkey.indexOf('+', first + 1);
  if (first < 1 || second < 0) throw new InvalidProof('a trust key is <name>+<8 hex>+<base64>');
  const data = fromBase64(vkey.slice(second + 1));
  if (data.length !== 33 || data[0] !== kind) throw new InvalidProof(`this is not an Ed25519 key of type ${kind}`);
  const key = await trustKey(vkey.slice(0, first), data.slice(1), kind);
  if (!equal(key.id, fromHex(vkey.slice(first + 1, second)))) throw new InvalidProof('the id in the key does not belong to its name and key: a character was lost');
  return key;
}

/** The 32 raw bytes in an Ed25519 SubjectPublicKeyInfo, which is what the log publishes of a key. */
export function rawOfSpki(spki: Bytes): Bytes {
  const prefix = fromHex('302a300506032b6570032100');
  if (spki.length !== 44 || !equal(spki.slice(0, 12), prefix)) throw new InvalidProof('not an Ed25519 public key');
  return spki.slice(12);
}

export async function verifySignature(raw: Bytes, signature: Bytes, message: Bytes): Promise<boolean> {
  const key = await subtle().importKey('raw', raw, { name: 'Ed25519' }, false, ['verify']);
  return subtle().verify({ name: 'Ed25519' }, key, signature, message);
}

export function splitNote(note: string): { text: string; lines: SignatureLine[] } {
  const end = note.lastIndexOf('\n\n');
  if (end < 0 || !note.endsWith('\n') || end + 2 >= note.length) throw new InvalidProof('not a signed note');
  if (utf8(note).length > MAX_NOTE_BYTES || /[\u0000-\u0009\u000b-\u001f]/.test(note)) throw new InvalidProof('a note that is too large, or holds control characters');
  const signatures = note.slice(end + 2, -1).split('\n');
  if (signatures.length > MAX_NOTE_SIGNATURES) throw new InvalidProof(`note with ${signatures.length} signatures, at most ${MAX_NOTE_SIGNATURES}`);
  const lines = signatures.map((line) => {
    const [dash, name, data, more] = line.split(' ');
    if (dash !== '\u2014' || !name || !data || more !== undefined) throw new InvalidProof('malformed signature line');
    const bytes = fromBase64(data);
    if (bytes.length < 5) throw new InvalidProof('malformed signature line');
    return { name, id: bytes.slice(0, 4), signature: bytes.slice(4) };
  });
  return { text: note.slice(0, end + 1), lines };
}

/** What a note says, without checking a signature: for showing only. */
export function peekCheckpoint(note: string): Checkpoint {
  const [origin, size, root, ...rest] = splitNote(note).text.split('\n');
  if (!origin || size === undefined || root === undefined || rest.at(-1) !== '' || rest.slice(0, -1).includes('')) throw new InvalidProof('not a checkpoint');
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) throw new InvalidProof('the tree size is not a decimal number');
  const bytes = fromBase64(root);
  if (bytes.length !== 32) throw new InvalidProof(`a root hash of ${bytes.length} bytes`);
  return { origin, size: Number(size), root: bytes };
}

/** The checkpoint that `key` signed; refuses one of another log, without the key's signature, or with a bad one. */
export async function openCheckpoint(note: string, key: TrustKey): Promise<Checkpoint> {
  const { text, lines } = splitNote(note);
  const ours = lines.filter((line) => line.name === key.name && equal(line.id, key.id));
  if (ours.length === 0) throw new InvalidProof('the checkpoint is not signed with the trusted key');
  for (const line of ours) if (!(await verifySignature(key.raw, line.signature, utf8(text)))) throw new InvalidProof('the signature on the checkpoint is false');
  const checkpoint = peekCheckpoint(note);
  if (checkpoint.origin !== key.name) throw new InvalidProof(`the checkpoint is of ${checkpoint.origin}, the key of ${key.name}`);
  return checkpoint;
}
