/** AMQP values that announce more than there is, or go deeper than anybody needs: what a walk over values must survive. */
import type { Draws } from "./draws.ts";

const DEPTH_MAX = 9_000;
const COUNTS = [2, 255, 4_096, 65_536, 0x7fffffff, 0xffffffff];

type Make = (draws: Draws) => Buffer;

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};

/** A described value in a described value, and so on: three bytes for each. */
const deepDescribed: Make = (draws) =>
  Buffer.concat([
    Buffer.alloc(3 * draws.below(DEPTH_MAX), Buffer.from([0, 0x53, 0x24])),
    Buffer.from([0x40]),
  ]);

/** Lists in lists, with sizes that are right. */
const deepLists: Make = (draws) => {
  const depth = draws.below(draws.pick([12, 5_000]));
  const parts: Buffer[] = [];
  for (let left = depth; left > 0; left--) {
    parts.push(Buffer.from([0xd0]), uint32(9 * (left - 1) + 1 + 4), uint32(1));
  }
  return Buffer.concat([...parts, Buffer.from([0x40])]);
};

/** An array whose elements take no bytes, and are many. */
const emptyElements: Make = (draws) =>
  Buffer.concat([
    Buffer.from([0xf0]),
    uint32(5),
    uint32(draws.pick(COUNTS)),
    Buffer.from([draws.pick([0x40, 0x41, 0x43, 0x45])]),
  ]);

const arrayOfArrays: Make = (draws) => {
  const inner = emptyElements(draws).subarray(1);
  return Buffer.concat([
    Buffer.from([0xf0]),
    uint32(5 + inner.length),
    uint32(1),
    Buffer.from([0xf0]),
    inner,
  ]);
};

/** A map with as many pairs as fit, keys all the same. */
const wideMap: Make = (draws) => {
  const pairs = draws.below(draws.pick([200, 10_000]));
  const pair = Buffer.from([0xa1, 1, 0x61, 0x40]);
  return Buffer.concat([
    Buffer.from([0xd1]),
    uint32(4 + pairs * pair.length),
    uint32(2 * pairs),
    Buffer.alloc(pairs * pair.length, pair),
  ]);
};

const liar: Make = (draws) =>
  Buffer.concat([
    Buffer.from([draws.pick([0xb0, 0xb1, 0xb3, 0xd0, 0xd1, 0xf0])]),
    uint32(draws.pick(COUNTS)),
    draws.bytes(draws.below(40)),
  ]);

const scalar: Make = (draws) =>
  Buffer.concat([
    Buffer.from([draws.pick([0x50, 0x56, 0x60, 0x73, 0x82, 0x83, 0x94, 0x98])]),
    draws.bytes(16),
  ]);

const MAKES: readonly Make[] = [
  deepDescribed,
  deepLists,
  emptyElements,
  arrayOfArrays,
  wideMap,
  liar,
  scalar,
];

export const oddValue: Make = (draws) => draws.pick(MAKES)(draws);
