// A DSSE envelope, read strictly: exactly one signature, no repeated key, one spelling of base64.
import { concat, fromBase64, InvalidProof, utf8, type Bytes } from './bytes';
import { isObject, parseJson } from './json';
import { rawOfSpki, verifySignature } from './note';

export interface Envelope {
  readonly payloadType: string;
  readonly payload: Bytes;
  readonly signature: Bytes;
}

export function parseEnvelope(raw: Bytes): Envelope {
  const document = parseJson(raw, true);
  if (!isObject(document)) throw new InvalidProof('the envelope is not a JSON object');
  const { payloadType, payload, signatures } = document;
  if (typeof payloadType !== 'string' || !/^[!-~]{1,255}$/.test(payloadType)) throw new InvalidProof('payloadType is missing or not visible ASCII');
  if (typeof payload !== 'string') throw new InvalidProof('payload is missing or not a string');
  const signature = Array.isArray(signatures) && signatures.length === 1 ? signatures[0] : undefined;
  if (!isObject(signature)) throw new InvalidProof('signatures is not a list of exactly one object');
  if (typeof (signature['keyid'] ?? '') !== 'string' || signature['keyid'] === null || typeof signature['sig'] !== 'string' || signature['sig'] === '') throw new InvalidProof('the envelope has no signature');
  return { payloadType, payload: fromBase64(payload), signature: fromBase64(signature['sig']) };
}

/** The DSSE pre-authentication encoding. */
export function pae(payloadType: string, payload: Bytes): Bytes {
  return concat(utf8(`DSSEv1 ${utf8(payloadType).length} ${payloadType} ${payload.length} `), payload);
}

/** Whether the key (SPKI) signed exactly this payload as this type. */
export async function isSignedBy(envelope: Envelope, spki: Bytes): Promise<boolean> {
  return holds(spki, envelope.signature, pae(envelope.payloadType, envelope.payload));
}

export async function holds(spki: Bytes, signature: Bytes, message: Bytes): Promise<boolean> {
  return signature.length === 64 && (await verifySignature(rawOfSpki(spki), signature, message));
}
