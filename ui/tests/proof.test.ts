import { describe, expect, test } from 'vitest';
import { fromBase64, fromHex, toBase64, utf8 } from '../src/proof/bytes';
import { verifyEntry, type EntryClaim } from '../src/proof/entry';
import { leafHash, rootFromPath, verifyInclusion } from '../src/proof/merkle';
import { openCheckpoint, parseVkey, peekCheckpoint, rawOfSpki, trustKey } from '../src/proof/note';
import { parseTrustFile, trustIn } from '../src/proof/policy';
import vectors from './proof-vectors.json';

const logKey = await parseVkey(vectors.vkey);
const trust = { origin: vectors.origin, file: trustIn(logKey) };
const keys = new Map([[vectors.producer.keyId, vectors.producer.spki]]);
const tree = vectors.trees.at(-1)!;

function claim(index: number, of = tree): EntryClaim {
  return { index, ...vectors.entries[index]!, erased: false, restricted: false, proof: { size: of.size, hashes: of.proofs[index]!, checkpoint: of.checkpoint } };
}

function flipped(text: string): string {
  const bytes = fromBase64(text);
  bytes[0]! ^= 1;
  return toBase64(bytes);
}

describe('inclusion', () => {
  test('every entry of every tree that Python built leads to its root', async () => {
    for (const each of vectors.trees) {
      for (let index = 0; index < each.size; index += 1) {
        const hash = await leafHash(fromBase64(vectors.entries[index]!.leaf));
        expect(toBase64(await rootFromPath(hash, index, each.size, each.proofs[index]!.map(fromBase64)))).toBe(each.root);
      }
    }
  });

  test('a flipped hash, another index, another size, a path too long or too short are refused', async () => {
    for (const each of vectors.trees.filter((one) => one.size > 1)) {
      for (let index = 0; index < each.size; index += 1) {
        const hash = await leafHash(fromBase64(vectors.entries[index]!.leaf));
        const path = each.proofs[index]!.map(fromBase64);
        const root = fromBase64(each.root);
        await verifyInclusion(hash, index, each.size, path, root);
        for (let at = 0; at < path.length; at += 1) {
          const bad = path.map((one, position) => (position === at ? fromBase64(flipped(toBase64(one))) : one));
          await expect(verifyInclusion(hash, index, each.size, bad, root)).rejects.toThrow();
        }
        await expect(verifyInclusion(hash, (index + 1) % each.size, each.size, path, root)).rejects.toThrow();
        await expect(verifyInclusion(hash, index, each.size, [...path, root], root)).rejects.toThrow();
        if (path.length > 0) await expect(verifyInclusion(hash, index, each.size, path.slice(0, -1), root)).rejects.toThrow();
      }
    }
  });

  test('an index outside the tree is refused', async () => {
    const hash = await leafHash(utf8('x'));
    for (const [index, size] of [[-1, 1], [1, 1], [0, 0], [0.5, 2], [Number.NaN, 2]] as const) await expect(rootFromPath(hash, index, size, [])).rejects.toThrow();
  });

  test('indices beyond 32 bits are computed exactly', async () => {
    const size = 2 ** 40;
    const hash = await leafHash(utf8('x'));
    const path = Array.from({ length: 40 }, () => hash);
    await expect(rootFromPath(hash, 2 ** 39 + 1, size, path)).resolves.toHaveLength(32);
    await expect(rootFromPath(hash, 2 ** 39 + 1, size, path.slice(1))).rejects.toThrow('too short');
  });
});

describe('checkpoints and keys', () => {
  test('a checkpoint opens with the key of its log', async () => {
    const opened = await openCheckpoint(tree.checkpoint, logKey);
    expect([opened.origin, opened.size, toBase64(opened.root)]).toEqual([vectors.origin, tree.size, tree.root]);
  });

  test('another key, a changed size, a changed signature and a note without signature are refused', async () => {
    await expect(openCheckpoint(tree.checkpoint, await parseVkey(vectors.otherVkey))).rejects.toThrow('not signed with the trusted key');
    await expect(openCheckpoint(tree.checkpoint.replace(`\n${tree.size}\n`, `\n${tree.size + 1}\n`), logKey)).rejects.toThrow('false');
    const line = tree.checkpoint.trimEnd().split(' ').at(-1)!;
    const bytes = fromBase64(line);
    bytes[10]! ^= 1;
    await expect(openCheckpoint(tree.checkpoint.replace(line, toBase64(bytes)), logKey)).rejects.toThrow('false');
    await expect(openCheckpoint(tree.checkpoint.split('\n\n')[0]!, logKey)).rejects.toThrow('not a signed note');
  });

  test('a line of an unknown witness changes nothing', async () => {
    const witness = `\u2014 witness.example ${toBase64(new Uint8Array(68))}\n`;
    await expect(openCheckpoint(tree.checkpoint + witness, logKey)).resolves.toMatchObject({ size: tree.size });
  });

  test('sizes with signs, zeros or letters are no checkpoints', () => {
    for (const size of ['+1', '01', '1e3', '', ' 1', '99999999999999999999']) expect(() => peekCheckpoint(tree.checkpoint.replace(`\n${tree.size}\n`, `\n${size}\n`))).toThrow();
  });

  test('a key is read from a vkey and from a trust file, and made from what the log publishes', async () => {
    expect((await parseTrustFile(`# trust\nlog ${vectors.vkey}\nquorum none\n`)).logs.map((key) => key.vkey)).toEqual([vectors.vkey]);
    expect((await trustKey(vectors.origin, rawOfSpki(fromBase64(vectors.logSpki)))).vkey).toBe(vectors.vkey);
  });

  test('a key that lost a character is refused', async () => {
    for (const text of ['', 'no key', vectors.vkey.slice(1), vectors.vkey.slice(0, -1), vectors.vkey.replace('+', '+0')]) await expect(parseTrustFile(text)).rejects.toThrow();
  });

  test('base64 and hex have one spelling', () => {
    for (const text of ['QQ', 'QR==', 'Q Q=', 'QUI', '-_==']) expect(() => fromBase64(text)).toThrow();
    for (const text of ['0', 'AB', 'zz']) expect(() => fromHex(text)).toThrow();
  });
});

describe('an entry', () => {
  test('is proven: checkpoint, inclusion, body and signature', async () => {
    const proof = await verifyEntry(claim(5), trust, keys);
    expect(proof.findings.map((each) => [each.name, each.state])).toEqual([['checkpoint', 'proven'], ['included', 'proven'], ['body', 'proven'], ['signature', 'proven']]);
    expect(proof.state).toBe('proven');
  });

  const lies: [string, (good: EntryClaim) => EntryClaim, string][] = [
    ['a changed leaf', (good) => ({ ...good, leaf: vectors.entries[6]!.leaf }), 'included'],
    ['a changed hash', (good) => ({ ...good, proof: { ...good.proof!, hashes: good.proof!.hashes.map((hash, at) => (at === 1 ? flipped(hash) : hash)) } }), 'included'],
    ['a checkpoint of another size', (good) => ({ ...good, proof: { ...good.proof!, size: tree.size - 1 } }), 'checkpoint'],
    ['a changed body', (good) => ({ ...good, envelope: good.envelope!.replace('sig', 'Sig') }), 'body'],
    ['another salt', (good) => ({ ...good, salt: flipped(good.salt!) }), 'body'],
    ['the body of another entry', (good) => ({ ...good, envelope: vectors.entries[6]!.envelope }), 'body'],
  ];
  test.each(lies)('%s is shown as false', async (_, lie, where) => {
    const proof = await verifyEntry(lie(claim(5)), trust, keys);
    expect(proof.state).toBe('false');
    expect(proof.findings.find((each) => each.state === 'false')?.name).toBe(where);
  });

  test('a published key that is not the one the leaf names is refused', async () => {
    const proof = await verifyEntry(claim(5), trust, new Map([[vectors.producer.keyId, vectors.logSpki]]));
    expect(proof.findings.find((each) => each.name === 'signature')?.state).toBe('false');
  });

  test('without a checkpoint nothing is proven, without a body inclusion still is', async () => {
    expect((await verifyEntry({ ...claim(5), proof: null }, trust, keys)).state).toBe('unknown');
    const erased = await verifyEntry({ ...claim(5), envelope: null, salt: null, erased: true }, trust, keys);
    expect([erased.state, erased.findings.at(-1)?.text]).toEqual(['proven', expect.stringContaining('erased')]);
  });
});
