import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../src/proof/bytes';
import { parseBundle, verifyBundle } from '../src/proof/bundle';
import { Fraction, parseJson } from '../src/proof/json';
import { parseTrustFile } from '../src/proof/policy';

interface Case { readonly name: string; readonly trust: string; readonly ok: boolean; readonly levels: readonly string[]; readonly bundle: unknown }

const cases = JSON.parse(gunzipSync(readFileSync(new URL('./bundle-vectors.json.gz', import.meta.url))).toString()) as Case[];

async function verdictOf(bundle: unknown, trust: string): Promise<{ ok: boolean; levels: readonly string[]; why: readonly string[] }> {
  try {
    const { ok, levels, failures } = await verifyBundle(parseBundle(utf8(JSON.stringify(bundle))), await parseTrustFile(trust));
    return { ok, levels, why: failures };
  } catch (error) {
    return { ok: false, levels: [], why: [String(error)] };
  }
}

describe('evidence bundles', () => {
  test('there are true ones and false ones', () => {
    expect(cases.filter((each) => each.ok).length).toBeGreaterThan(30);
    expect(cases.filter((each) => !each.ok).length).toBeGreaterThan(300);
  });

  test('each is judged as our Python verifier judges it', async () => {
    const wrong: unknown[] = [];
    for (const each of cases) {
      const found = await verdictOf(each.bundle, each.trust);
      if (found.ok !== each.ok || (found.ok && found.levels.join() !== each.levels.join())) wrong.push([each.name, each.ok, each.levels, found]);
    }
    expect(wrong).toEqual([]);
  }, 60_000);

  test('a trust file that asks for witnesses is not taken for one that does not', async () => {
    await expect(parseTrustFile(cases[0]!.trust.replace('quorum none', 'quorum any'))).rejects.toThrow('witness');
    await expect(parseTrustFile(cases[0]!.trust.replace('quorum none', ''))).rejects.toThrow('exactly one quorum');
    await expect(parseTrustFile('quorum none\n')).rejects.toThrow('names no log');
  });

  test('one verifier key alone is a trust file', async () => {
    const vkey = cases[0]!.trust.split('\n')[0]!.split(' ')[1]!;
    expect((await verdictOf(cases[0]!.bundle, vkey)).ok).toBe(true);
  });
});

describe('JSON that two readers could understand differently', () => {
  const read = (text: string, unique = true): unknown => parseJson(utf8(text), unique);

  test('a repeated key is refused, or the last one counts where nothing is decided by it', () => {
    expect(() => read('{"a":1,"b":{"c":1,"c":2}}')).toThrow('repeated');
    expect(read('{"a":1,"a":2}', false)).toEqual({ a: 2 });
    expect(() => read('{"a":1,"\\u0061":2}')).toThrow('repeated');
  });

  test('1.0 is no integer, and large integers stay exact', () => {
    expect(read('[1,1.0,1e2,-0,12345678901234567890]')).toEqual([1, new Fraction('1.0'), new Fraction('1e2'), -0, 12345678901234567890n]);
  });

  test.each(['', '{', '[1,]', '{"a":1,}', '{a:1}', '01', '1 2', '"\u0001"', '"\\x"', '\ufeff{}', "{'a':1}", 'nul', '+1', '.5', '1.', '[1'])('%j is refused', (text) => {
    expect(() => read(text)).toThrow();
  });

  test('deep nesting and bad UTF-8 are refused', () => {
    expect(() => read('['.repeat(5_000))).toThrow('deeply');
    expect(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22), true)).toThrow('UTF-8');
  });
});
