/** Medians of few samples. Pure. */

/** Of an even number of values the lower middle one, so that it is a value that was measured. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
}

export const spread = (values: readonly number[]): readonly [min: number, max: number] => [
  Math.min(...values),
  Math.max(...values),
];
