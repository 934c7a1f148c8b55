/**
 * The frame: a message, encoded once at the socket and never again. Whoever needs a property reads it in
 * place. `at` is always the frame's first byte, 8-aligned, in a block that holds the whole frame.
 */
import { align8, type Block } from "./block.ts";
import { FRAME, FRAME_VERSION, PROPERTY } from "./layout.ts";
import { FRAME_BYTES_MAX, MESSAGE_BYTES_MAX, PROPERTIES_MAX, PROPERTY_NAME_BYTES_MAX } from "./limits.ts";
import { decodeProperties, propertyLength, type Property } from "./property.ts";

/** Property sections, encoded once per topic and copied into each frame. Both padded to 8. */
export interface Sections {
  readonly sys: Uint8Array;
  readonly sysLength: number;
  readonly app: Uint8Array;
  readonly appLength: number;
}

export function sections(sys: Uint8Array, app: Uint8Array): Sections {
  return { sys: padded(sys), sysLength: sys.length, app: padded(app), appLength: app.length };
}

function padded(bytes: Uint8Array): Uint8Array {
  if (bytes.length % 8 === 0) return bytes;
  const out = new Uint8Array(align8(bytes.length));
  out.set(bytes);
  return out;
}

export const NO_SECTIONS: Sections = sections(new Uint8Array(0), new Uint8Array(0));

export const frameLength = (s: Sections, bodyLength: number): number =>
  FRAME.SIZE + s.sys.length + s.app.length + align8(bodyLength);

/**
 * Writes a frame at `at` of a block with room for `frameLength` bytes. The uid is left as it was: see
 * `writeUid`. Returns the byte behind the frame.
 */
export function writeFrame(
  block: Block,
  at: number,
  sourceId: number,
  enqueuedWall: number,
  s: Sections,
  body: Uint8Array,
  from: number,
  to: number,
): number {
  const { u8, u32 } = block;
  const w = at >> 2;
  const bodyLength = to - from;
  const total = frameLength(s, bodyLength);
  u32[w] = FRAME_VERSION | (FRAME.SIZE << 16); // hops 0
  u32[w + (FRAME.TOTAL >> 2)] = total;
  u32[w + (FRAME.SOURCE >> 2)] = sourceId;
  u32[w + (FRAME.SCHEMA >> 2)] = 0;
  block.f64[(at + FRAME.ENQUEUED) >> 3] = enqueuedWall;
  u32[w + (FRAME.SYS >> 2)] = s.sysLength;
  u32[w + (FRAME.APP >> 2)] = s.appLength;
  u32[w + (FRAME.EXT >> 2)] = 0;
  u32[w + (FRAME.BODY >> 2)] = bodyLength;
  let p = at + FRAME.SIZE;
  p = copySmall(u8, p, s.sys);
  p = copySmall(u8, p, s.app);
  const end = at + total;
  // The tail word first: whatever padding the body leaves is zero, never an old message's bytes.
  if (end > p) u32.fill(0, (end - 8) >> 2, end >> 2);
  if (bodyLength > 0) (body as Buffer).copy(u8, p, from, to);
  return end;
}

/** A byte loop beats `set` for the short sections that properties are. */
function copySmall(u8: Uint8Array, at: number, bytes: Uint8Array): number {
  const n = bytes.length;
  if (n > 64) u8.set(bytes, at);
  else for (let i = 0; i < n; i++) u8[at + i] = bytes[i]!;
  return at + n;
}

/** uid = store epoch, boot, sequence: unique for ever, kept over every hop (J30). */
export function writeUid(block: Block, at: number, epoch: number, boot: number, sequence: number): void {
  const w = (at + FRAME.UID) >> 2;
  const { u32 } = block;
  u32[w] = epoch;
  u32[w + 1] = boot;
  u32[w + 2] = sequence >>> 0;
  u32[w + 3] = Math.floor(sequence / 4294967296);
}

export const frameTotal = (block: Block, at: number): number => block.u32[(at + FRAME.TOTAL) >> 2]!;
export const frameSource = (block: Block, at: number): number => block.u32[(at + FRAME.SOURCE) >> 2]!;
export const frameHops = (block: Block, at: number): number => block.u8[at + FRAME.HOPS]!;
export const frameEnqueued = (block: Block, at: number): number => block.f64[(at + FRAME.ENQUEUED) >> 3]!;
export const sysStart = (block: Block, at: number): number => at + block.u16[(at + FRAME.HEADER) >> 1]!;
export const sysLength = (block: Block, at: number): number => block.u32[(at + FRAME.SYS) >> 2]!;
export const appLength = (block: Block, at: number): number => block.u32[(at + FRAME.APP) >> 2]!;
export const bodyLength = (block: Block, at: number): number => block.u32[(at + FRAME.BODY) >> 2]!;

export const appStart = (block: Block, at: number): number =>
  sysStart(block, at) + align8(sysLength(block, at));

export const bodyStart = (block: Block, at: number): number =>
  appStart(block, at) + align8(appLength(block, at)) + align8(block.u32[(at + FRAME.EXT) >> 2]!);

export const frameUid = (block: Block, at: number): string =>
  block.u8.toString("hex", at + FRAME.UID, at + FRAME.UID + 16);

/** A message as plain data, for display and JSON. */
export interface DecodedFrame {
  readonly uid: string;
  readonly sourceId: number;
  readonly hops: number;
  readonly enqueuedWall: number;
  readonly systemProperties: readonly Property[];
  readonly properties: readonly Property[];
  /** A copy. */
  readonly body: Uint8Array;
}

export function decodeFrame(block: Block, at: number): DecodedFrame {
  const sys = sysStart(block, at);
  const app = appStart(block, at);
  const body = bodyStart(block, at);
  return {
    uid: frameUid(block, at),
    sourceId: frameSource(block, at),
    hops: frameHops(block, at),
    enqueuedWall: frameEnqueued(block, at),
    systemProperties: decodeProperties(block, sys, sys + sysLength(block, at)),
    properties: decodeProperties(block, app, app + appLength(block, at)),
    body: new Uint8Array(block.u8.subarray(body, body + bodyLength(block, at))),
  };
}

/**
 * Why the bytes `[at, end)` are not a well-formed frame, or `null`. For frames that a guest made: lengths
 * sum exactly, properties are well-formed and bounded, nothing reaches outside.
 */
export function frameFault(block: Block, at: number, end: number): string | null {
  if (at + FRAME.SIZE > end) return "frame: shorter than its header";
  if (block.u8[at + FRAME.VERSION] !== FRAME_VERSION) return `frame: version ${block.u8[at + FRAME.VERSION]}`;
  if (block.u16[(at + FRAME.HEADER) >> 1] !== FRAME.SIZE) return "frame: header length";
  const total = frameTotal(block, at);
  if (total > FRAME_BYTES_MAX) return `frame: ${total} bytes, more than ${FRAME_BYTES_MAX}`;
  const ext = block.u32[(at + FRAME.EXT) >> 2]!;
  const lengths = [sysLength(block, at), appLength(block, at), ext, bodyLength(block, at)];
  if (lengths.some((n) => n > FRAME_BYTES_MAX)) return "frame: a section is longer than a frame may be";
  if (FRAME.SIZE + lengths.reduce((sum, n) => sum + align8(n), 0) !== total)
    return "frame: lengths do not sum up";
  if (at + total > end) return "frame: reaches beyond the result";
  const message = lengths[0]! + lengths[1]! + lengths[3]!;
  if (message > MESSAGE_BYTES_MAX)
    return `frame: message of ${message} bytes, more than ${MESSAGE_BYTES_MAX}`;
  const sys = at + FRAME.SIZE;
  const app = sys + align8(lengths[0]!);
  return sectionFault(block, sys, sys + lengths[0]!) ?? sectionFault(block, app, app + lengths[1]!);
}

function sectionFault(block: Block, at: number, end: number): string | null {
  for (let count = 0; at < end; count++) {
    const length = propertyLength(block, at, end);
    if (length < 0) return "frame: malformed property";
    if (count >= PROPERTIES_MAX) return `frame: more than ${PROPERTIES_MAX} properties`;
    const nameLength = block.u16[(at + PROPERTY.NAME_LEN) >> 1]!;
    if (nameLength > PROPERTY_NAME_BYTES_MAX) return "frame: property name too long";
    if (!isUtf8(block.u8, at + PROPERTY.SIZE, nameLength)) return "frame: property name is not utf-8";
    at += length;
  }
  return null;
}

const strict = new TextDecoder("utf-8", { fatal: true });

function isUtf8(bytes: Buffer, at: number, length: number): boolean {
  for (let i = at; i < at + length; i++) {
    if (bytes[i]! < 0x80) continue;
    try {
      strict.decode(bytes.subarray(at, at + length));
      return true;
    } catch {
      return false;
    }
  }
  return true;
}
