/** The hub's end of a link, in small: batches out of messages, results back into things to compare. */
import {
  Block,
  decodeFrame,
  EFFECT,
  EFFECT_HEADER,
  ENTRY,
  ENTRY_FLAG,
  LINK_EFFECT,
  NO_SECTIONS,
  RECORD,
  writeEntry,
  writeFrame,
  frameLength,
  frameTotal,
  FRAME,
  type DeadLetterReason,
  type DecodedFrame,
  type LinkBatch,
  type LinkResult,
} from "../../../abi/index.ts";

export const NOW_WALL = 1_700_000_000_000;

export interface RecordSpec {
  readonly body?: string | Uint8Array;
  /** A TIMER record instead of a message. */
  readonly timer?: number;
  readonly attempt?: number;
  readonly hops?: number;
}

/** Strings are bodies of messages. */
export function makeBatch(seq: number, records: readonly (string | Uint8Array | RecordSpec)[]): LinkBatch {
  const specs = records.map((r) => (typeof r === "string" || r instanceof Uint8Array ? { body: r } : r));
  const bytes = specs.reduce((sum, spec) => sum + recordLength(spec), 0);
  const block = Block.allocate(Math.max(bytes, 64));
  let at = 0;
  specs.forEach((spec, i) => (at = writeRecord(block, at, spec, i)));
  return {
    type: "batch",
    seq,
    count: specs.length,
    bytes,
    nowWall: NOW_WALL,
    nowPowered: 5000,
    buffer: block.buffer,
  };
}

const bodyOf = (spec: RecordSpec): Buffer => Buffer.from(spec.body as string);

const recordLength = (spec: RecordSpec): number =>
  ENTRY.SIZE + (spec.timer === undefined ? frameLength(NO_SECTIONS, bodyOf(spec).length) : 16);

function writeRecord(block: Block, at: number, spec: RecordSpec, index: number): number {
  const total = recordLength(spec);
  writeEntry(block, at, total - ENTRY.SIZE, spec.timer ?? 0, index, 0, Number.POSITIVE_INFINITY);
  block.u8[at + ENTRY.ATTEMPT] = spec.attempt ?? 0;
  if (spec.timer !== undefined) {
    block.u16[(at + ENTRY.KIND) >> 1] = RECORD.TIMER;
    block.u16[(at + ENTRY.FLAGS) >> 1] = ENTRY_FLAG.CONTROL;
    block.u32[(at + ENTRY.SIZE) >> 2] = 3;
    block.f64[(at + ENTRY.SIZE + 8) >> 3] = 4000;
  } else {
    const body = bodyOf(spec);
    writeFrame(block, at + ENTRY.SIZE, 7, NOW_WALL - 1, NO_SECTIONS, body, 0, body.length);
    block.u8[at + ENTRY.SIZE + FRAME.HOPS] = spec.hops ?? 0;
  }
  return at + total;
}

export type DecodedEffect =
  | {
      readonly type: "pass";
      readonly port: number;
      readonly from: number;
      readonly to: number;
      readonly count: number;
    }
  | { readonly type: "emit"; readonly port: number; readonly frames: readonly DecodedFrame[] }
  | { readonly type: "dead"; readonly from: number; readonly to: number; readonly reason: DeadLetterReason }
  | { readonly type: "put"; readonly key: string; readonly value: Buffer }
  | { readonly type: "del"; readonly key: string };

/** Throws on anything that the hub could not take as it is. */
export function decodeResult(result: LinkResult): DecodedEffect[] {
  if (result.buffer.byteLength % 8 !== 0) throw new Error("result: buffer length");
  const block = new Block(result.buffer);
  const effects: DecodedEffect[] = [];
  let at = 0;
  while (at < result.bytes) {
    const total = block.u32[at >> 2]!;
    if (total < EFFECT_HEADER.SIZE || total % 8 !== 0 || at + total > result.bytes)
      throw new Error(`effect at ${at}: length ${total}`);
    effects.push(decodeEffect(block, at, total));
    at += total;
  }
  return effects;
}

function decodeEffect(block: Block, at: number, total: number): DecodedEffect {
  const kind = block.u16[(at + EFFECT_HEADER.KIND) >> 1]!;
  const port = block.u16[(at + EFFECT_HEADER.PORT) >> 1]!;
  const w = (at + EFFECT_HEADER.SIZE) >> 2;
  const [a, b, c] = [block.u32[w]!, block.u32[w + 1]!, block.u32[w + 2]!];
  const data = at + EFFECT_HEADER.SIZE + 8;
  switch (kind) {
    case LINK_EFFECT.PASS_RUN:
      return { type: "pass", port, from: a, to: b, count: c };
    case LINK_EFFECT.EMIT_RUN:
      return { type: "emit", port, frames: decodeFrames(block, data, a, b, at + total) };
    case LINK_EFFECT.DEAD_LETTER:
      return {
        type: "dead",
        from: a,
        to: b,
        reason: JSON.parse(block.u8.toString("utf8", data + 8, data + 8 + c)) as DeadLetterReason,
      };
    case EFFECT.KV_PUT:
    case EFFECT.KV_DEL: {
      if (data + a + b > at + total) throw new Error("kv: reaches beyond the effect");
      const key = block.u8.toString("latin1", data, data + a);
      if (kind === EFFECT.KV_DEL) return { type: "del", key };
      return { type: "put", key, value: Buffer.from(block.u8.subarray(data + a, data + a + b)) };
    }
    default:
      throw new Error(`effect at ${at}: kind ${kind}`);
  }
}

function decodeFrames(block: Block, at: number, count: number, bytes: number, end: number): DecodedFrame[] {
  if (at + bytes !== end) throw new Error("emit run: length");
  const frames: DecodedFrame[] = [];
  for (; frames.length < count; at += frameTotal(block, at)) frames.push(decodeFrame(block, at));
  if (at !== end) throw new Error("emit run: frames do not fill it");
  return frames;
}

/** Effects in a form that reads well in a test: bodies of a batch, by port. */
export function summary(result: LinkResult, bodies: readonly string[]): string[] {
  const starts = [0];
  for (const body of bodies) starts.push(starts.at(-1)! + recordLength({ body }));
  const index = (offset: number): number => starts.indexOf(offset);
  return decodeResult(result).map((effect) => {
    switch (effect.type) {
      case "pass":
        return `pass ${effect.port}: ${bodies.slice(index(effect.from), index(effect.to)).join(" ")}`;
      case "emit":
        return `emit ${effect.port}: ${effect.frames.map((frame) => Buffer.from(frame.body).toString()).join(" ")}`;
      case "dead":
        return `dead ${bodies[index(effect.from)]}: ${effect.reason.fault?.kind ?? effect.reason.text}`;
      case "put":
        return `put ${effect.key}: ${effect.value.length <= 4 ? effect.value.readUIntLE(0, effect.value.length) : effect.value.length}`;
      case "del":
        return `del ${effect.key}`;
    }
  });
}
