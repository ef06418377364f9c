// The leaf of an entry, in its one canonical spelling, and what a body says that the log itself needs to know.
import { InvalidProof, type Bytes } from './bytes';
import { isObject, parseJson, type Json, type JsonObject } from './json';

export interface Leaf {
  readonly mediaType: string;
  readonly eventType: string;
  readonly tenant: string;
  readonly signer: string;
  readonly signedBy: string;
  readonly received: number;
  readonly body: string;
}

const SPELLING = /^\{"body":"([0-9a-f]{64})","caller":(?:null|"[0-9a-f]{64}"),"eventType":"([!#-[\]-~]{1,1024})","mediaType":"([!#-[\]-~]{1,1024})","received":(0|[1-9][0-9]{0,15}),"signedBy":"(PRODUCER|SERVICE|ADMIN)","signer":"([0-9a-f]{64})","tenant":"([0-9a-f]{32})","v":1\}$/;

export function parseLeaf(raw: Bytes): Leaf {
  const found = SPELLING.exec(new TextDecoder('utf-8', { fatal: false, ignoreBOM: true }).decode(raw));
  if (!found || !Number.isSafeInteger(Number(found[4]))) throw new InvalidProof('the leaf is not in its canonical spelling');
  const [, body, eventType, mediaType, received, signedBy, signer, tenant] = found as unknown as string[];
  return { body: body!, eventType: eventType!, mediaType: mediaType!, received: Number(received), signedBy: signedBy!, signer: signer!, tenant: tenant! };
}

export interface EventFacts {
  readonly eventType: string | null;
  readonly audience: string | null;
}

export function eventFacts(payloadType: string, payload: Bytes): EventFacts {
  let document: Json;
  try {
    document = parseJson(payload, false);
  } catch {
    return { eventType: null, audience: null };
  }
  if (!isObject(document)) return { eventType: null, audience: null };
  if (payloadType === 'application/cloudevents+json') return { eventType: text(document['type']), audience: text(document['audience']) };
  if (payloadType === 'application/vnd.openlineage+json') {
    const event = document;
    const parts = ['run', 'job', 'dataset'].filter((kind) => isObject(event[kind]));
    if (parts.length === 0) return { eventType: null, audience: null };
    const facets = parts.map((kind) => object(object(event[kind])?.['facets'])?.['lineproof_producer']);
    return { eventType: `openlineage.${parts[0]}`, audience: text(facets.map(object).find((facet) => facet !== undefined)?.['audience']) };
  }
  if (payloadType === 'application/vnd.in-toto+json') return { eventType: text(document['predicateType']), audience: text(object(object(document['predicate'])?.['lineproof_producer'])?.['audience']) };
  return { eventType: null, audience: null };
}

function object(value: Json | undefined): JsonObject | undefined {
  return isObject(value) ? value : undefined;
}

function text(value: Json | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
