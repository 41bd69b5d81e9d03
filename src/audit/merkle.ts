import { createHash } from 'node:crypto';

const LEAF = Buffer.from([0]);
const NODE = Buffer.from([1]);

/** Hash of one entry (RFC 6962 §2.1). */
export const leafHash = (entry: Uint8Array): Buffer => createHash('sha256').update(LEAF).update(entry).digest();

export const nodeHash = (left: Buffer, right: Buffer): Buffer =>
  createHash('sha256').update(NODE).update(left).update(right).digest();

export const EMPTY_ROOT = createHash('sha256').digest();

/** Roots of the perfect subtrees that make up a log of a given size, largest first: all that appending needs. */
export interface Frontier {
  size: number;
  readonly nodes: Buffer[];
}

export const emptyFrontier = (): Frontier => ({ size: 0, nodes: [] });

export const append = (frontier: Frontier, leaf: Buffer): void => {
  let node = leaf;
  for (let size = frontier.size; size % 2 === 1; size = Math.floor(size / 2)) node = nodeHash(frontier.nodes.pop()!, node);
  frontier.nodes.push(node);
  frontier.size++;
};

/** Merkle tree head (RFC 6962 §2.1). */
export const rootOf = (frontier: Frontier): Buffer => {
  const [last, ...rest] = [...frontier.nodes].reverse();
  return last ? rest.reduce((right, left) => nodeHash(left, right), last) : EMPTY_ROOT;
};

const splitOf = (size: number): number => 2 ** Math.floor(Math.log2(size - 1));

const subtree = (leaves: readonly Buffer[]): Buffer => {
  if (leaves.length === 1) return leaves[0]!;
  const split = splitOf(leaves.length);
  return nodeHash(subtree(leaves.slice(0, split)), subtree(leaves.slice(split)));
};

/** Audit path of an entry (RFC 6962 §2.1.1), lowest node first. */
export const inclusionProof = (leaves: readonly Buffer[], index: number): Buffer[] => {
  if (leaves.length <= 1) return [];
  const split = splitOf(leaves.length);
  return index < split
    ? [...inclusionProof(leaves.slice(0, split), index), subtree(leaves.slice(split))]
    : [...inclusionProof(leaves.slice(split), index - split), subtree(leaves.slice(0, split))];
};

/** Whether a proof leads from the entry to the root of a log of `size` (RFC 9162 §2.1.3.2). */
export const verifyInclusion = (leaf: Buffer, index: number, size: number, proof: readonly Buffer[], root: Buffer): boolean => {
  if (index >= size) return false;
  let [fn, sn, hash] = [index, size - 1, leaf];
  for (const node of proof) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(node, hash);
      while (fn % 2 === 0 && fn !== 0) {
        fn = Math.floor(fn / 2);
        sn = Math.floor(sn / 2);
      }
    } else hash = nodeHash(hash, node);
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 && hash.equals(root);
};
