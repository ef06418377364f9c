// Which key was good at which entry: the fold over genesis, key and policy entries, as lineproof_audit/keyring.py does it. Validity is counted in
// entries. An entry that is not signed by a valid admin key changes nothing.
import { equal, sha256, toHex, utf8, type Bytes } from './bytes';
import { holds, isSignedBy, pae, type Envelope } from './envelope';
import { isObject, parseJson, type Json, type JsonObject } from './json';
import type { Leaf } from './leaf';
import { BodyError, readGenesis, readKey, readPolicy, refuses, type KeyChange, type Policy } from './keybodies';

export const GENESIS = 'lineproof.genesis.v1';
export const KEY = 'lineproof.key.v1';
export const POLICY = 'lineproof.policy.v1';
export const KEYRING_TYPES: ReadonlySet<string> = new Set([GENESIS, KEY, POLICY]);

const SIGNS_AS: Readonly<Record<string, string>> = { producer: 'PRODUCER', notary: 'SERVICE', admin: 'ADMIN' };

export interface KeyRecord {
  readonly keyId: string;
  readonly spki: Bytes;
  readonly purpose: string;
  readonly validFrom: number;
  readonly tenant: string | null;
  readonly scope: string | null;
  readonly label: string | null;
  readonly notAfter: number | null;
  readonly enrolled: boolean;
  readonly revocations: readonly (readonly [at: number, lastValid: number])[];
}

export interface Validity {
  readonly reason: string | null;
  readonly disputed: boolean;
}

class Rejected extends Error {}

export async function keyIdOf(spki: Bytes): Promise<string> {
  return toHex(await sha256(spki));
}

export function signsAs(record: KeyRecord): string | null {
  return SIGNS_AS[record.purpose] ?? null;
}

export class Keyring {
  origin: string | null = null;
  readonly keys = new Map<string, KeyRecord>();
  private readonly policies: [number, Policy][] = [];
  private readonly tokens = new Set<string>();

  /** Fold in one entry; the reason if it changes nothing, null if it was applied (or is no entry of keys and policy). */
  async apply(index: number, leaf: Leaf, envelope: Envelope | null): Promise<string | null> {
    if (!KEYRING_TYPES.has(leaf.eventType)) return null;
    try {
      const { data, byNotary } = await this.admitted(index, leaf, envelope);
      if (leaf.eventType === GENESIS) await this.genesis(data);
      else if (leaf.eventType === KEY) await this.keyChange(index, readKey(data), leaf, byNotary);
      else this.policyChange(index, readPolicy(data));
      return null;
    } catch (error) {
      if (error instanceof BodyError) return `invalid-body: ${error.message}`;
      if (error instanceof Rejected) return error.message;
      throw error;
    }
  }

  /** Whether the key was registered and not revoked at the entry. */
  validity(keyId: string, index: number, received: number): Validity {
    const record = this.keys.get(keyId);
    const no = (reason: string): Validity => ({ reason, disputed: false });
    if (record === undefined) return no('the key is not registered');
    if (index < record.validFrom) return no(`the key is valid from entry ${record.validFrom}`);
    const last = Math.min(...record.revocations.filter(([at]) => at < index).map(([, lastValid]) => lastValid));
    if (index > last) return no(`the key was valid up to entry ${last}`);
    if (record.notAfter !== null && received > record.notAfter) return no('the key had expired (notAfter)');
    return { reason: null, disputed: record.revocations.some(([at, lastValid]) => lastValid < index && index < at) };
  }

  private async admitted(index: number, leaf: Leaf, envelope: Envelope | null): Promise<{ data: JsonObject; byNotary: boolean }> {
    if (envelope === null) throw new Rejected('body-missing');
    const event = envelope.payloadType === 'application/cloudevents+json' ? quietly(() => parseJson(envelope.payload, true)) : null;
    const data = isObject(event ?? undefined) ? (event as JsonObject)['data'] : undefined;
    if (!isObject(event ?? undefined) || (event as JsonObject)['type'] !== leaf.eventType || !isObject(data)) throw new Rejected('type-mismatch');
    const { audience } = event as JsonObject;
    if ((leaf.eventType === GENESIS) !== (index === 0)) throw new Rejected(leaf.eventType === GENESIS ? 'genesis-not-first' : 'no-genesis');
    let signer: Bytes;
    let origin: string;
    let byNotary = false;
    if (leaf.eventType === GENESIS) {
      if (this.origin !== null) throw new Rejected('genesis-repeated');
      ({ rootAdminKey: signer, origin } = readGenesis(data));
    } else {
      if (this.origin === null) throw new Rejected('no-genesis');
      const record = this.keys.get(leaf.signer);
      byNotary = record?.purpose === 'notary' && leaf.eventType === KEY && (data['enrolment'] ?? null) !== null;
      if (record === undefined || !(record.purpose === 'admin' || byNotary) || this.validity(leaf.signer, index, leaf.received).reason !== null) throw new Rejected('not-signed-by-root-admin');
      signer = record.spki;
      origin = this.origin;
    }
    if (leaf.signer !== (await keyIdOf(signer))) throw new Rejected('not-signed-by-root-admin');
    if (audience !== undefined && audience !== null && audience !== origin) throw new Rejected('wrong-audience');
    if (!(await isSignedBy(envelope, signer))) throw new Rejected('bad-signature');
    return { data, byNotary };
  }

  private async genesis(data: JsonObject): Promise<void> {
    const { origin, logKey, notaryKey, rootAdminKey } = readGenesis(data);
    if (equal(logKey, notaryKey) || equal(logKey, rootAdminKey) || equal(notaryKey, rootAdminKey)) throw new Rejected('keys-not-separate');
    this.origin = origin;
    for (const [purpose, spki] of [['log', logKey], ['notary', notaryKey], ['admin', rootAdminKey]] as const) {
      const keyId = await keyIdOf(spki);
      this.keys.set(keyId, { keyId, spki, purpose, validFrom: 0, tenant: null, scope: null, label: purpose, notAfter: null, enrolled: false, revocations: [] });
    }
  }

  private async keyChange(index: number, change: KeyChange, leaf: Leaf, byNotary: boolean): Promise<void> {
    if (change.action === 'revoke') {
      this.revoke(index, change.keyId, change.lastValid);
      return;
    }
    const spki = change.publicKey;
    if (spki === null || (await keyIdOf(spki)) !== change.keyId) throw new Rejected('key-id-mismatch');
    if (this.keys.has(change.keyId)) throw new Rejected('key-exists');
    if (change.enrolment !== null) await this.enrolled(index, change, spki, leaf, byNotary);
    const old = change.action === 'rotate' ? await this.rotated(change, spki) : null;
    this.keys.set(change.keyId, {
      keyId: change.keyId, spki, purpose: change.purpose, validFrom: index + 1, tenant: old === null ? change.tenant : old.tenant, scope: change.scope ?? old?.scope ?? null, label: change.label,
      notAfter: change.notAfter, enrolled: change.enrolment !== null, revocations: [],
    });
    if (old !== null && change.lastValid !== null) {
      try {
        this.revoke(index, old.keyId, change.lastValid);
      } catch (error) {
        this.keys.delete(change.keyId);
        throw error;
      }
    }
    if (change.enrolment !== null) this.tokens.add(change.enrolment.tokenId);
  }

  private async rotated(change: KeyChange, spki: Bytes): Promise<KeyRecord> {
    const old = this.keys.get(change.replaces ?? '');
    if (old === undefined) throw new Rejected('unknown-key');
    if (change.purpose !== old.purpose || (change.tenant !== null && change.tenant !== old.tenant)) throw new Rejected('rotation-changes-purpose-or-tenant');
    if (old.enrolled) throw new Rejected('short-lived-key');
    const statement = pae('application/vnd.lineproof.rotation', utf8(`${this.origin ?? ''}\n${old.keyId}\n${change.keyId}\n`));
    if (change.oldSignature === null || change.newSignature === null || !(await holds(old.spki, change.oldSignature, statement)) || !(await holds(spki, change.newSignature, statement))) throw new Rejected('rotation-not-signed-by-both');
    return old;
  }

  private async enrolled(index: number, change: KeyChange, spki: Bytes, leaf: Leaf, byNotary: boolean): Promise<void> {
    const { enrolment } = change;
    const policy = this.policies.filter(([at]) => at < index).at(-1)?.[1];
    const binding = policy?.bindings.find((each) => each.id === enrolment?.binding);
    if (enrolment === null || binding === undefined || !byNotary) throw new Rejected(byNotary ? 'no-binding' : 'enrolment-not-by-notary');
    if (enrolment.issuer !== binding.issuer || change.tenant !== binding.tenant || change.scope !== binding.scope) throw new Rejected('outside-binding: issuer, tenant or scope are not the binding\u2019s');
    const refused = refuses(binding, enrolment.claims);
    if (refused !== null) throw new Rejected(`outside-binding: ${refused}`);
    if (change.notAfter === null || change.notAfter > leaf.received + binding.seconds * 1_000_000) throw new Rejected('outside-binding: notAfter is beyond the binding\u2019s seconds');
    if (this.tokens.has(enrolment.tokenId)) throw new Rejected('token-used');
    const statement = pae('application/vnd.lineproof.key-binding', utf8(`${this.origin ?? ''}\n${change.keyId}\n${enrolment.token}\n`));
    if (!(await holds(spki, enrolment.possession, statement))) throw new Rejected('no-possession');
  }

  private revoke(index: number, keyId: string, lastValid: number | null): void {
    const record = this.keys.get(keyId);
    if (record === undefined || lastValid === null) throw new Rejected('unknown-key');
    if (record.revocations.some(([, last]) => last <= lastValid)) throw new Rejected('already-revoked');
    const others = [...this.keys.values()].some((key) => key.keyId !== keyId && key.purpose === record.purpose && key.revocations.length === 0 && key.notAfter === null);
    if (record.purpose !== 'producer' && !others) throw new Rejected(`last-${record.purpose}-key`);
    this.keys.set(keyId, { ...record, revocations: [...record.revocations, [index, lastValid]] });
  }

  private policyChange(index: number, policy: Policy): void {
    const current = this.policies.at(-1)?.[0] ?? null;
    if (policy.previous !== current) throw new Rejected(`previous-mismatch: the policy in force is entry ${current}`);
    this.policies.push([index, policy]);
  }
}

function quietly(read: () => Json): Json {
  try {
    return read();
  } catch {
    return null;
  }
}
