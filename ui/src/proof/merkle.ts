// RFC 6962 section 2.1, and the verification of RFC 9162 section 2.1.3.2: the root recomputed from a leaf and its audit path.
// Indices and sizes are bigint: JavaScript's bit operators end at 32 bits, a log does not.
import { concat, equal, InvalidProof, sha256, type Bytes } from './bytes';

export async function leafHash(leaf: Bytes): Promise<Bytes> {
  return sha256(concat(Uint8Array.of(0), leaf));
}

export async function nodeHash(left: Uint8Array, right: Uint8Array): Promise<Bytes> {
  return sha256(concat(Uint8Array.of(1), left, right));
}

/** The root that `path` gives for the leaf at `index` of a tree of `size` leaves. */
export async function rootFromPath(hash: Bytes, index: number, size: number, path: readonly Bytes[]): Promise<Bytes> {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) throw new InvalidProof(`index ${index} is not in a tree of ${size}`);
  let node = BigInt(index);
  let last = BigInt(size - 1);
  let root = hash;
  for (const sibling of path) {
    if (sibling.length !== 32) throw new InvalidProof(`a hash of ${sibling.length} bytes in the path`);
    if (last === 0n) throw new InvalidProof('the path is too long');
    if (node % 2n === 1n || node === last) {
      root = await nodeHash(sibling, root);
      while (node % 2n === 0n && node !== 0n) {
        node >>= 1n;
        last >>= 1n;
      }
    } else root = await nodeHash(root, sibling);
    node >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n) throw new InvalidProof('the path is too short');
  return root;
}

export async function verifyInclusion(hash: Bytes, index: number, size: number, path: readonly Bytes[], root: Bytes): Promise<void> {
  if (!equal(await rootFromPath(hash, index, size, path), root)) throw new InvalidProof('the audit path leads to another root: the entry is not in the signed tree');
}
