import { expect, test } from "vitest";
import {
  Block,
  FRAME,
  MESSAGE_BYTES_MAX,
  PROPERTIES_MAX,
  PROPERTY,
  appStart,
  appLength,
  bodyLength,
  bodyStart,
  decodeFrame,
  encodeProperties,
  findById,
  frameFault,
  frameLength,
  frameTotal,
  sections,
  sysLength,
  sysStart,
  writeFrame,
} from "../../abi/index.ts";

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
let state = seed;
/** Whole number below `n`; mulberry32. */
function below(n: number): number {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * n);
}
const word = (): string => "abcäß😀x".slice(below(4), 4 + below(3)).repeat(below(3));

const ROOM = 64;

/** A random sound frame at `at`, with bytes of somebody else around it. */
function randomFrame(at: number): { readonly block: Block; readonly end: number } {
  const sys = Array.from({ length: below(4) }, () => ({ id: 1 + below(14), value: word() }));
  const app = Array.from({ length: below(5) }, () => ({
    name: word(),
    value: below(4) === 0 ? null : word(),
  }));
  const parts = sections(encodeProperties(sys), encodeProperties(app));
  const body = Buffer.alloc(below(40), 0x62);
  const block = Block.allocate(at + frameLength(parts, body.length) + ROOM);
  block.u8.fill(0x73);
  const end = writeFrame(block, at, below(9), below(1e6), parts, body, 0, body.length);
  return { block, end };
}

test("a frame that the encoder wrote is sound wherever it lies", () => {
  for (let round = 0; round < 500; round++) {
    const at = 8 * below(5);
    const { block, end } = randomFrame(at);
    expect(frameFault(block, at, end), `SEED=${seed}`).toBeNull();
    expect(at + frameTotal(block, at)).toBe(end);
  }
});

test("a frame cut short anywhere is a fault", () => {
  const { block, end } = randomFrame(0);
  for (let cut = 0; cut < end; cut++) expect(frameFault(block, 0, cut), `SEED=${seed}`).not.toBeNull();
  expect(frameFault(block, 0, end)).toBeNull();
});

const NASTY = [0, 1, 2, 3, 4, 7, 8, 9, 12, 13, 255, 256, 65535, 65536, 0x7fffffff, 0x80000000];
const nasty = (): number => (below(2) === 0 ? NASTY[below(NASTY.length)]! : 0xffffffff - below(24));

test("a frame with any field changed is a fault, or all it says lies within its own bytes", () => {
  let sound = 0;
  for (let round = 0; round < 20_000; round++) {
    const at = 8 * below(4);
    const { block, end } = randomFrame(at);
    for (let changes = below(3); changes >= 0; changes--) {
      const place = at + below(end - at);
      if (below(2) === 0) block.u8[place] = below(256);
      else block.u32[place >> 2] = nasty();
    }
    if (frameFault(block, at, end) !== null) continue;
    sound++;
    const total = frameTotal(block, at);
    expect(at + total, `SEED=${seed}`).toBeLessThanOrEqual(end);
    expect(bodyStart(block, at) + bodyLength(block, at)).toBeLessThanOrEqual(at + total);
    expectWithin(block, sysStart(block, at), sysLength(block, at));
    expectWithin(block, appStart(block, at), appLength(block, at));
    const decoded = decodeFrame(block, at);
    expect(decoded.body.length).toBe(bodyLength(block, at));
    for (const { value } of decoded.properties)
      expect(value?.length ?? 0, `SEED=${seed}`).toBeLessThanOrEqual(total);
    findById(block, sysStart(block, at), sysStart(block, at) + sysLength(block, at), 3);
  }
  expect(sound).toBeGreaterThan(300);
});

/** Names and values of a section end before it does. */
function expectWithin(block: Block, start: number, length: number): void {
  let at = start;
  while (at < start + length) {
    const name = block.u16[(at + PROPERTY.NAME_LEN) >> 1]!;
    const value = block.u32[(at + PROPERTY.VALUE_LEN) >> 2]!;
    at += PROPERTY.SIZE + name + value;
    expect(at, `SEED=${seed}`).toBeLessThanOrEqual(start + length);
    at = (at + 3) & ~3;
  }
}

test.for([0xffffffff, 0xfffffff4, 0xfffffff0, 0x80000000, 0x7fffffff])(
  "a value of %i bytes in a property is a fault, however lengths wrap around",
  (length) => {
    const parts = sections(new Uint8Array(0), encodeProperties([{ name: "", value: "" }]));
    const block = Block.allocate(frameLength(parts, 0) + ROOM);
    const end = writeFrame(block, 0, 0, 0, parts, Buffer.alloc(0), 0, 0);
    block.u32[(FRAME.SIZE + PROPERTY.VALUE_LEN) >> 2] = length;
    expect(frameFault(block, 0, end)).not.toBeNull();
  },
);

test("limits of a message hold to the byte", () => {
  const none = sections(new Uint8Array(0), new Uint8Array(0));
  for (const [length, isSound] of [
    [MESSAGE_BYTES_MAX, true],
    [MESSAGE_BYTES_MAX + 1, false],
  ] as const) {
    const block = Block.allocate(frameLength(none, length));
    const end = writeFrame(block, 0, 0, 0, none, Buffer.alloc(length), 0, length);
    expect(frameFault(block, 0, end) === null).toBe(isSound);
  }
  for (const [count, isSound] of [
    [PROPERTIES_MAX, true],
    [PROPERTIES_MAX + 1, false],
  ] as const) {
    const many = encodeProperties(
      Array.from({ length: count }, (_, index) => ({ name: `p${index}`, value: "" })),
    );
    const parts = sections(new Uint8Array(0), many);
    const block = Block.allocate(frameLength(parts, 0));
    const end = writeFrame(block, 0, 0, 0, parts, Buffer.alloc(0), 0, 0);
    expect(frameFault(block, 0, end) === null).toBe(isSound);
  }
});
