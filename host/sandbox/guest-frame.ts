/**
 * Frames that a guest made. `frameFault` of the ABI judges their shape; here is what else a guest may not
 * say: properties that are the hub's, values that do not fit their type, extensions.
 */
import {
  align8,
  appLength,
  FRAME,
  FRAME_VERSION,
  frameFault,
  frameTotal,
  PROPERTY,
  PROPERTY_TYPE,
  sysLength,
  SYSTEM_PROPERTIES,
  type Block,
} from "../../abi/index.ts";
import { isUtf8 } from "node:buffer";

const HOPS_BYTE_MAX = 255;
/** The furthest a JavaScript `Date` reaches, ms. */
const TIME_MS_MAX = 8.64e15;

/** Why `[at, end)` is not a frame that a guest may emit, or `null`. */
export function guestFrameFault(block: Block, at: number, end: number): string | null {
  const fault = frameFault(block, at, end);
  if (fault !== null) return fault;
  if (frameTotal(block, at) !== end - at) return "frame: length differs from the effect's";
  if (block.u32[(at + FRAME.EXT) >> 2] !== 0) return "frame: extensions are the host's to write";
  const sysBytes = sysLength(block, at);
  const appBytes = appLength(block, at);
  const sys = at + FRAME.SIZE;
  const app = sys + align8(sysBytes);
  return (
    propertiesFault(block, sys, sys + sysBytes, true) ?? propertiesFault(block, app, app + appBytes, false)
  );
}

function propertiesFault(block: Block, at: number, end: number, system: boolean): string | null {
  const { u8, u16, u32 } = block;
  while (at < end) {
    const id = u16[at >> 1]!;
    const nameLength = u16[(at + PROPERTY.NAME_LEN) >> 1]!;
    const valueLength = u32[(at + PROPERTY.VALUE_LEN) >> 2]!;
    if (system && (id === 0 || id >= SYSTEM_PROPERTIES.length || nameLength !== 0))
      return `frame: system property ${id} is not a guest's to write`;
    if (!system && id !== 0) return `frame: application property with id ${id}`;
    const value = at + PROPERTY.SIZE + nameLength;
    if (!isValue(u8, u8[at + PROPERTY.TYPE]!, value, valueLength)) return "frame: malformed property value";
    at = (value + valueLength + 3) & ~3;
  }
  return null;
}

function isValue(u8: Buffer, type: number, at: number, length: number): boolean {
  switch (type) {
    case PROPERTY_TYPE.UTF8:
      return isAscii(u8, at, length) || isUtf8(u8.subarray(at, at + length));
    case PROPERTY_TYPE.NULL:
      return length === 0;
    case PROPERTY_TYPE.BOOL:
      return length === 1;
    case PROPERTY_TYPE.I64:
    case PROPERTY_TYPE.U64:
    case PROPERTY_TYPE.F64:
      return length === 8;
    case PROPERTY_TYPE.TIME:
      return length === 8 && Math.abs(u8.readDoubleLE(at)) <= TIME_MS_MAX;
    case PROPERTY_TYPE.UUID:
      return length === 16;
    case PROPERTY_TYPE.BINARY:
      return true;
    default:
      return false;
  }
}

function isAscii(u8: Buffer, at: number, length: number): boolean {
  for (let i = at; i < at + length; i++) if (u8[i]! >= 0x80) return false;
  return true;
}

/** Copies a judged frame, and writes what is the host's in its header. The uid is the hub's: zero. */
export function takeFrame(
  guest: Block,
  at: number,
  end: number,
  to: Block,
  toAt: number,
  hops: number,
  sourceId: number,
  enqueuedWall: number,
): void {
  guest.u8.copy(to.u8, toAt, at, end);
  const { u32 } = to;
  const w = toAt >> 2;
  u32[w] = FRAME_VERSION | (Math.min(hops, HOPS_BYTE_MAX) << 8) | (FRAME.SIZE << 16);
  u32[w + (FRAME.SOURCE >> 2)] = sourceId;
  u32[w + (FRAME.SCHEMA >> 2)] = 0;
  u32.fill(0, w + (FRAME.UID >> 2), w + (FRAME.UID >> 2) + 4);
  to.f64[(toAt + FRAME.ENQUEUED) >> 3] = enqueuedWall;
}
