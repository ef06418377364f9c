// The trust file (C2SP tlog-policy): which log keys are believed, and which witnesses must have cosigned (C2SP tlog-cosignature, Ed25519, type 0x04).
// The rules are those of lineproof_audit/trust.py and witness.py: what one of the two refuses, the other refuses as well.
import { equal, InvalidProof, utf8 } from './bytes';
import { ED25519, openCheckpoint, parseVkey, splitNote, verifySignature, type Checkpoint, type TrustKey } from './note';

const COSIGNATURE_V1 = 4;
const TIME_BYTES = 8;
const MAX_TRUST_BYTES = 1_000_000;

export interface Group {
  readonly threshold: number;
  readonly members: readonly Quorum[];
}

/** A witness, or so many of a group. */
export type Quorum = TrustKey | Group;

export interface TrustFile {
  readonly logs: readonly TrustKey[];
  /** Who must have cosigned a checkpoint; null for nobody. */
  readonly quorum: Quorum | null;
}

/** Trust in one log key, and in no witness. */
export function trustIn(key: TrustKey): TrustFile {
  return { logs: [key], quorum: null };
}

/** A trust file, or one verifier key alone. */
export async function parseTrustFile(text: string): Promise<TrustFile> {
  if (/^\S+\+\S+$/.test(text.trim())) return trustIn(await parseVkey(text.trim(), ED25519));
  if (utf8(text).length > MAX_TRUST_BYTES) throw new InvalidProof(`trust file of more than ${MAX_TRUST_BYTES} bytes`);
  if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(text)) throw new InvalidProof('a trust file holds no control characters but tab and newline');
  const logs: TrustKey[] = [];
  const quorums: string[] = [];
  const witnesses: string[][] = []; // and groups, those before the quorum
  for (const [at, line] of text.split('\n').entries()) {
    const words = line.split(/[ \t]+/).filter((word) => word !== '');
    const [kind, ...rest] = words;
    if (kind === undefined || kind.startsWith('#')) continue;
    if (kind === 'log' && (rest.length === 1 || rest.length === 2)) logs.push(await parseVkey(rest[0]!, ED25519));
    else if (kind === 'quorum' && rest.length === 1) quorums.push(rest[0]!);
    else if ((kind === 'witness' && (rest.length === 2 || rest.length === 3)) || (kind === 'group' && rest.length >= 3)) {
      if (quorums.length === 0) witnesses.push(words);
    } else throw new InvalidProof(`line ${at + 1} of the trust file is not a log, witness, group or quorum line`);
  }
  if (quorums.length !== 1) throw new InvalidProof(`a trust file has exactly one quorum line, this one has ${quorums.length}`);
  const quorum = quorums[0] === 'none' ? null : await parseWitnesses(witnesses, quorums[0]!);
  if (logs.some((log, at) => logs.slice(0, at).some((other) => equal(other.raw, log.raw)))) throw new InvalidProof('a log key stands twice in the trust file');
  if (logs.length === 0) throw new InvalidProof('the trust file names no log');
  return { logs, quorum };
}

/** The checkpoint of a note of `origin` that this trust file believes. */
export async function openTrusted(note: string, origin: string, trust: TrustFile): Promise<Checkpoint> {
  const keys = trust.logs.filter((key) => key.name === origin);
  if (keys.length === 0) throw new InvalidProof(`the trust file names no log ${origin}`);
  const { lines } = splitNote(note);
  const signing = keys.filter((key) => lines.some((line) => line.name === key.name && equal(line.id, key.id)));
  if (signing.length === 0) throw new InvalidProof('the checkpoint is not signed with a trusted key');
  const opened = await Promise.all(signing.map((key) => openCheckpoint(note, key)));
  if (trust.quorum !== null && !(await isMet(note, trust.quorum))) throw new InvalidProof('fewer witnesses cosigned the checkpoint than the quorum of the trust file asks for');
  return opened[0]!;
}

async function parseWitnesses(lines: readonly (readonly string[])[], quorum: string): Promise<Quorum> {
  const known = new Map<string, Quorum>();
  const used = new Set<string>();
  for (const [kind, name, ...rest] of lines as readonly (readonly [string, string, ...string[]])[]) {
    if (known.has(name) || name === 'none') throw new InvalidProof(`witness or group ${name} is defined again`);
    if (kind === 'witness') {
      const witness = await parseVkey(rest[0]!, COSIGNATURE_V1);
      if ([...known.values()].some((other) => 'raw' in other && equal(other.raw, witness.raw))) throw new InvalidProof(`witness ${name} has the key of another`);
      known.set(name, witness);
      continue;
    }
    const [asked, ...members] = rest as [string, ...string[]];
    if (members.some((member) => !known.has(member) || used.has(member)) || new Set(members).size !== members.length) throw new InvalidProof(`group ${name} names a witness that is not defined before it, or is a member already`);
    const threshold = asked === 'any' ? 1 : asked === 'all' ? members.length : /^[1-9][0-9]{0,3}$/.test(asked) ? Number(asked) : 0;
    if (threshold < 1 || threshold > members.length) throw new InvalidProof(`group ${name} asks for all, any or 1 to ${members.length} of its members`);
    for (const member of members) used.add(member);
    known.set(name, { threshold, members: members.map((member) => known.get(member)!) });
  }
  const found = known.get(quorum);
  if (found === undefined) throw new InvalidProof(`the quorum names no witness or group defined before it: ${quorum}`);
  return found;
}

/** Every line of a witness of the quorum has to verify, also where there are enough without it. */
async function isMet(note: string, quorum: Quorum): Promise<boolean> {
  if ('raw' in quorum) return hasCosigned(note, quorum);
  const met = await Promise.all(quorum.members.map((member) => isMet(note, member)));
  return met.filter(Boolean).length >= quorum.threshold;
}

async function hasCosigned(note: string, witness: TrustKey): Promise<boolean> {
  const { text, lines } = splitNote(note);
  const ours = lines.filter((line) => line.name === witness.name && equal(line.id, witness.id));
  for (const { signature } of ours) {
    const time = signature.length < TIME_BYTES ? -1n : new DataView(signature.buffer).getBigUint64(0);
    const holds = signature.length === TIME_BYTES + 64 && (await verifySignature(witness.raw, signature.slice(TIME_BYTES), utf8(`cosignature/v1\ntime ${time}\n${text}`)));
    if (!holds) throw new InvalidProof(`the cosignature of ${witness.name} does not verify`);
    if (time >= 1n << 63n) throw new InvalidProof(`the cosignature of ${witness.name} is of no time there is`);
  }
  return ours.length > 0;
}
