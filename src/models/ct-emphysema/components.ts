/** Shape of a volume, slices from the first to the last of the accepted order. */
export interface Shape {
  readonly slices: number;
  readonly rows: number;
  readonly columns: number;
}

/**
 * Keeps the 6-connected components that are at least a share of the largest: the lungs, without bowel gas and a free airway.
 *
 * @param mask 1 = inner air, slices × rows × columns; is changed to 1 = lung
 * @returns lung voxels
 */
export const keepLargeComponents = (mask: Uint8Array, { slices, rows, columns }: Shape, share: number): number => {
  const plane = rows * columns;
  const labels = new Int32Array(mask.length);
  const sizes: number[] = [0];
  const queue = new Int32Array(mask.reduce((sum, voxel) => sum + voxel, 0));
  for (let seed = 0; seed < mask.length; seed++) {
    if (mask[seed] === 0 || labels[seed] !== 0) continue;
    const label = sizes.length;
    let [head, tail] = [0, 0];
    queue[tail++] = seed;
    labels[seed] = label;
    while (head < tail) {
      const at = queue[head++]!;
      const column = at % columns;
      const row = Math.floor(at / columns) % rows;
      const slice = Math.floor(at / plane);
      const visit = (next: number): void => {
        if (mask[next] === 1 && labels[next] === 0) {
          labels[next] = label;
          queue[tail++] = next;
        }
      };
      if (column > 0) visit(at - 1);
      if (column < columns - 1) visit(at + 1);
      if (row > 0) visit(at - columns);
      if (row < rows - 1) visit(at + columns);
      if (slice > 0) visit(at - plane);
      if (slice < slices - 1) visit(at + plane);
    }
    sizes.push(tail);
  }
  const smallest = Math.max(...sizes.slice(1), 0) * share;
  let voxels = 0;
  for (let at = 0; at < mask.length; at++) {
    const keep = labels[at]! > 0 && sizes[labels[at]!]! >= smallest;
    mask[at] = keep ? 1 : 0;
    if (keep) voxels++;
  }
  return voxels;
};
