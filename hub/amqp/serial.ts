/** Serial numbers of 32 bits that wrap around (RFC 1982): delivery ids, transfer ids, delivery counts. */

export const next = (id: number): number => (id + 1) >>> 0;
export const plus = (id: number, n: number): number => (id + n) >>> 0;
/** How far `to` is ahead of `from`: negative when it is behind, from -2^31 to 2^31 - 1. */
export const ahead = (from: number, to: number): number => (to - from) | 0;
