/**
 * What a hostile or broken client does to a session that was well-formed: to bytes of a piece, and to the order of
 * pieces. One mutation changes one thing; a stream gets a few of them.
 */
import type { Draws } from "./draws.ts";
import { piece, type Piece } from "./stream.ts";

const MUTATIONS_MAX = 4;
/** A piece sent so many times. */
const REPEATS_MAX = 50;
const NOISE_BYTES_MAX = 300;
const INTERESTING = [0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x40, 0x53, 0xd0, 0xf0];

/**
 * @param spared pieces at the beginning that are left alone: what is not let in cannot be fuzzed any deeper
 */
export function mutated(draws: Draws, pieces: readonly Piece[], spared: number): readonly Piece[] {
  const kept = pieces.slice(0, spared);
  let rest = pieces.slice(spared);
  for (let n = 1 + draws.below(MUTATIONS_MAX); n > 0 && rest.length > 0; n--) {
    rest = draws.chance(75) ? withChangedPiece(draws, rest) : draws.pick(ORDERS)(draws, rest);
  }
  return [...kept, ...rest];
}

function withChangedPiece(draws: Draws, pieces: readonly Piece[]): Piece[] {
  const at = draws.below(pieces.length);
  return pieces.map((each, i) => {
    if (i !== at || each.bytes.length === 0) return each;
    return {
      ...each,
      bytes: draws.pick(CHANGES)(draws, each.bytes, draws.pick(pieces).bytes),
      isMutated: true,
    };
  });
}

/** Of bytes that are not empty. `other`: those of another piece. */
type Change = (draws: Draws, bytes: Buffer, other: Buffer) => Buffer;

function edited(draws: Draws, bytes: Buffer, edit: (copy: Buffer, at: number) => void): Buffer {
  const copy = Buffer.from(bytes);
  for (let n = 1 + draws.below(4); n > 0; n--) edit(copy, draws.below(copy.length));
  return copy;
}

/** Where headers and lengths are. */
const early = (draws: Draws, bytes: Buffer): number => draws.below(Math.min(bytes.length, 24));

const flipBit: Change = (draws, bytes) =>
  edited(draws, bytes, (copy, at) => void (copy[at]! ^= 1 << draws.below(8)));
const setByte: Change = (draws, bytes) =>
  edited(draws, bytes, (copy, at) => void (copy[at] = draws.pick([...INTERESTING, draws.below(256)])));
const setEarlyByte: Change = (draws, bytes) =>
  edited(draws, bytes, (copy) => {
    copy[early(draws, copy)] = draws.pick([...INTERESTING, draws.below(256)]);
  });

/** A length, a count or a number of four bytes, wherever it may lie. */
const setWord: Change = (draws, bytes) => {
  const copy = Buffer.from(bytes);
  const at = draws.chance(70) ? early(draws, copy) : draws.below(copy.length);
  const value = draws.pick([0, 7, 8, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff]);
  if (at + 4 <= copy.length) copy.writeUInt32BE(value, at);
  return copy;
};

/** MQTT's remaining length, up to more bytes than it may have. */
const setVarint: Change = (draws, bytes) => {
  const varint = draws.pick([
    [0],
    [0x7f],
    [0xff, 0x7f],
    [0xff, 0xff, 0xff, 0x7f],
    [0xff, 0xff, 0xff, 0xff, 0xff],
    [0x80, 0],
  ]);
  let end = 1;
  while (end < Math.min(5, bytes.length) && bytes[end - 1 + 1]! > 127) end++;
  return Buffer.concat([
    bytes.subarray(0, 1),
    Buffer.from(varint),
    bytes.subarray(Math.min(bytes.length, end + 1)),
  ]);
};

const truncate: Change = (draws, bytes) => bytes.subarray(0, draws.below(bytes.length));
const extend: Change = (draws, bytes) =>
  Buffer.concat([bytes, draws.bytes(1 + draws.below(NOISE_BYTES_MAX))]);
const insert: Change = (draws, bytes) => {
  const at = draws.below(bytes.length);
  return Buffer.concat([bytes.subarray(0, at), draws.bytes(1 + draws.below(8)), bytes.subarray(at)]);
};
const remove: Change = (draws, bytes) => {
  const at = draws.below(bytes.length);
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + draws.below(8))]);
};
const splice: Change = (draws, bytes, other) =>
  Buffer.concat([
    bytes.subarray(0, draws.below(bytes.length)),
    other.subarray(draws.below(other.length + 1)),
  ]);
const repeatPart: Change = (draws, bytes) => {
  const at = draws.below(bytes.length);
  const part = bytes.subarray(at, at + 1 + draws.below(16));
  return Buffer.concat([
    bytes.subarray(0, at),
    Buffer.alloc(part.length * (1 + draws.below(REPEATS_MAX)), part),
    bytes.subarray(at),
  ]);
};

const CHANGES: readonly Change[] = [
  flipBit,
  flipBit,
  setByte,
  setByte,
  setEarlyByte,
  setEarlyByte,
  setWord,
  setWord,
  setVarint,
  truncate,
  extend,
  insert,
  remove,
  splice,
  repeatPart,
];

/** Of pieces that are not none. */
type Order = (draws: Draws, pieces: readonly Piece[]) => Piece[];

const swap: Order = (draws, pieces) => {
  const copy = [...pieces];
  const [a, b] = [draws.below(copy.length), draws.below(copy.length)];
  [copy[a], copy[b]] = [copy[b]!, copy[a]!];
  return copy;
};
const repeat: Order = (draws, pieces) => {
  const at = draws.below(pieces.length);
  const times = 1 + draws.below(draws.pick([2, REPEATS_MAX]));
  return [...pieces.slice(0, at), ...Array.from({ length: times }, () => pieces[at]!), ...pieces.slice(at)];
};
const drop: Order = (draws, pieces) => {
  const at = draws.below(pieces.length);
  return pieces.filter((_, i) => i !== at);
};
const noise: Order = (draws, pieces) => {
  const at = draws.below(pieces.length + 1);
  const bytes = draws.bytes(1 + draws.below(NOISE_BYTES_MAX));
  return [...pieces.slice(0, at), { ...piece("noise", bytes), isMutated: true }, ...pieces.slice(at)];
};
const end: Order = (draws, pieces) => pieces.slice(0, draws.below(pieces.length));

const ORDERS: readonly Order[] = [swap, repeat, drop, noise, end];
