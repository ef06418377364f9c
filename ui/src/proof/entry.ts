// Everything this page can check about one entry, each step said for itself. The server's own verdict is never asked.
import { concat, equal, fromBase64, fromHex, InvalidProof, sha256, toHex, utf8, type Bytes } from './bytes';
import { leafHash, verifyInclusion } from './merkle';
import { rawOfSpki, verifySignature, type Checkpoint } from './note';
import { openTrusted, type TrustFile } from './policy';

export type State = 'proven' | 'false' | 'unknown';

export interface Finding {
  readonly name: 'included' | 'checkpoint' | 'body' | 'signature';
  readonly state: State;
  readonly text: string;
}

export interface EntryProof {
  readonly state: State;
  readonly findings: readonly Finding[];
  readonly leafHash: string;
  readonly root: string | null;
  readonly checkpoint: Checkpoint | null;
}

export interface EntryClaim {
  readonly index: number;
  readonly leaf: string;
  readonly envelope: string | null;
  readonly salt: string | null;
  readonly erased: boolean;
  readonly restricted: boolean;
  readonly proof: { readonly size: number; readonly hashes: readonly string[]; readonly checkpoint: string } | null;
}

const BODY_DOMAIN = utf8('lineproof/body/v1\0');

/** `keys` gives the registered public key (SPKI, base64) of a key id, as the log says it. */
export async function verifyEntry(claim: EntryClaim, trust: { readonly origin: string; readonly file: TrustFile }, keys: ReadonlyMap<string, string>): Promise<EntryProof> {
  const leaf = fromBase64(claim.leaf);
  const hash = await leafHash(leaf);
  const findings: Finding[] = [];
  let checkpoint: Checkpoint | null = null;
  if (claim.proof === null) {
    findings.push({ name: 'included', state: 'unknown', text: 'no signed checkpoint covers this entry yet' });
  } else {
    const proof = claim.proof;
    checkpoint = await step(findings, 'checkpoint', async () => {
      const opened = await openTrusted(proof.checkpoint, trust.origin, trust.file);
      if (opened.size !== proof.size) throw new InvalidProof(`the proof is for ${proof.size} entries, the checkpoint signs ${opened.size}`);
      return [`signed by ${trust.origin}${trust.file.quorum === null ? '' : ' and cosigned as the trust file asks'}, ${opened.size} entries`, opened];
    });
    if (checkpoint !== null) {
      const { root, size } = checkpoint;
      await step(findings, 'included', async () => {
        await verifyInclusion(hash, claim.index, size, proof.hashes.map(fromBase64), root);
        return [`entry ${claim.index} is in the signed tree: ${proof.hashes.length} hashes lead to its root`, true];
      });
    } else findings.push({ name: 'included', state: 'unknown', text: 'without a signed checkpoint there is no root to compare with' });
  }
  await checkBody(claim, leaf, keys, findings);
  const state = findings.some((each) => each.state === 'false') ? 'false' : findings.some((each) => each.state === 'unknown' && each.name === 'included') ? 'unknown' : 'proven';
  return { state, findings, leafHash: toHex(hash), root: checkpoint === null ? null : toHex(checkpoint.root), checkpoint };
}

async function checkBody(claim: EntryClaim, leaf: Bytes, keys: ReadonlyMap<string, string>, findings: Finding[]): Promise<void> {
  const { envelope, salt } = claim;
  if (envelope === null || salt === null) {
    const text = claim.erased ? 'the body was erased; its commitment stays in the tree' : 'the body is outside your grants; its commitment is in the tree';
    findings.push({ name: 'body', state: 'unknown', text });
    return;
  }
  const said = await step(findings, 'body', async () => {
    const parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(leaf)) as { body?: unknown; signer?: unknown };
    const commitment = await sha256(concat(BODY_DOMAIN, fromBase64(salt), utf8(envelope)));
    if (typeof parsed.body !== 'string' || !equal(commitment, fromHex(parsed.body))) throw new InvalidProof('the body is not the one the leaf commits to');
    return ['the body is the one the leaf commits to', parsed];
  });
  if (said === null) return;
  await step(findings, 'signature', async () => {
    const { keyId } = await openEnvelope(envelope, keys, said.signer);
    return [`signed by key ${keyId.slice(0, 12)}`, true];
  });
}

/** The payload of a DSSE envelope, signed by a registered key (`signer`, if one is meant). Raises InvalidProof. */
export async function openEnvelope(envelope: string, keys: ReadonlyMap<string, string>, signer?: unknown): Promise<{ payload: Bytes; keyId: string }> {
  const parsed = JSON.parse(envelope) as { payloadType: string; payload: string; signatures: { keyid: string; sig: string }[] };
  const [signature] = parsed.signatures;
  if (!signature || parsed.signatures.length !== 1) throw new InvalidProof('the envelope has not exactly one signature');
  if (signer !== undefined && signature.keyid !== signer) throw new InvalidProof('the envelope is signed by another key than the leaf names');
  const spki = keys.get(signature.keyid);
  if (spki === undefined) throw new InvalidProof('the signing key is not registered in this log');
  const published = fromBase64(spki);
  if (toHex(await sha256(published)) !== signature.keyid) throw new InvalidProof('the published key is not the one that is named');
  const payload = fromBase64(parsed.payload);
  const message = concat(utf8(`DSSEv1 ${utf8(parsed.payloadType).length} ${parsed.payloadType} ${payload.length} `), payload);
  if (!(await verifySignature(rawOfSpki(published), fromBase64(signature.sig), message))) throw new InvalidProof('the signature is false');
  return { payload, keyId: signature.keyid };
}

async function step<T>(findings: Finding[], name: Finding['name'], check: () => Promise<[string, T]>): Promise<T | null> {
  try {
    const [text, value] = await check();
    findings.push({ name, state: 'proven', text });
    return value;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    findings.push({ name, state: 'false', text });
    return null;
  }
}
