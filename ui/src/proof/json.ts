// JSON as the Python verifier reads it. JSON.parse picks one of two values of a repeated key and makes 1.0 the integer 1: what two readers
// understand differently must not be taken for proven, so signed bodies are read by this one.
import { InvalidProof } from './bytes';

/** A number that is no integer, as it is written. */
export class Fraction {
  constructor(readonly text: string) {}

  toJSON(): number {
    return Number(this.text);
  }
}

export type Json = null | boolean | number | bigint | string | Fraction | Json[] | JsonObject;
export interface JsonObject { readonly [key: string]: Json }

const DEEPEST = 500;
const SPACE = /[ \t\n\r]*/y;
const TEXT = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const WORDS: ReadonlyMap<string, Json> = new Map<string, Json>([['true', true], ['false', false], ['null', null], ['NaN', new Fraction('NaN')], ['Infinity', new Fraction('Infinity')], ['-Infinity', new Fraction('-Infinity')]]);
const WORD = /true|false|null|NaN|-?Infinity/y;

/** Decode UTF-8 and read one JSON value. With `unique`, a repeated key is refused; else the last one counts. */
export function parseJson(bytes: Uint8Array, unique: boolean): Json {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new InvalidProof('not UTF-8');
  }
  return new Reader(text, unique).whole();
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Fraction);
}

class Reader {
  private at = 0;

  constructor(private readonly text: string, private readonly unique: boolean) {}

  whole(): Json {
    const value = this.value(0);
    this.take(SPACE);
    if (this.at !== this.text.length) throw new InvalidProof('text after the JSON');
    return value;
  }

  private value(depth: number): Json {
    if (depth > DEEPEST) throw new InvalidProof('JSON nested too deeply');
    this.take(SPACE);
    const first = this.text[this.at];
    if (first === '{') return this.object(depth);
    if (first === '[') return this.list(depth);
    if (first === '"') return this.string();
    const word = this.take(WORD);
    if (word) return WORDS.get(word[0])!;
    const number = this.take(NUMBER);
    if (!number || number[0] === '') throw new InvalidProof('not JSON');
    if (number[1] !== undefined || number[2] !== undefined) return new Fraction(number[0]);
    const whole = Number(number[0]);
    return Number.isSafeInteger(whole) ? whole : BigInt(number[0]);
  }

  private object(depth: number): JsonObject {
    const found: Record<string, Json> = Object.create(null) as Record<string, Json>;
    this.at += 1;
    for (let more = !this.end('}'); more; more = this.next('}')) {
      this.take(SPACE);
      const key = this.string();
      this.take(SPACE);
      this.expect(':');
      if (this.unique && key in found) throw new InvalidProof('a JSON key is repeated');
      found[key] = this.value(depth + 1);
    }
    return found;
  }

  private list(depth: number): Json[] {
    const found: Json[] = [];
    this.at += 1;
    for (let more = !this.end(']'); more; more = this.next(']')) found.push(this.value(depth + 1));
    return found;
  }

  private string(): string {
    const found = this.take(TEXT);
    if (!found) throw new InvalidProof('not JSON');
    return JSON.parse(found[0]) as string;
  }

  private end(closing: string): boolean {
    this.take(SPACE);
    if (this.text[this.at] !== closing) return false;
    this.at += 1;
    return true;
  }

  private next(closing: string): boolean {
    if (this.end(closing)) return false;
    this.expect(',');
    return true;
  }

  private expect(character: string): void {
    if (this.text[this.at] !== character) throw new InvalidProof('not JSON');
    this.at += 1;
  }

  private take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at = pattern.lastIndex;
    return found;
  }
}
