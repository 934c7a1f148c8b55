/**
 * A dead letter: the frame of a message that was given up, with the reason as an extension behind its
 * properties. Without the extension it is the frame that it was: same uid, hops, source and time (J30).
 */
import {
  align8,
  appLength,
  appStart,
  Block,
  bodyLength,
  bodyStart,
  FRAME,
  type DeadLetterReason,
} from "../../abi/index.ts";

/** Extension type (u16 type, u16 flags, u32 length, bytes): private to the hub. */
const EXT_DEAD_LETTER = 0x8000;
const EXT_HEADER = 8;
const REASON_BYTES_MAX = 16 * 1024;

/** What is known of the entry that a letter was. */
export interface LetterOrigin {
  /** Of the lane that it waited in: it goes back there. */
  readonly priority?: number;
  /** How often it had been handed over before. */
  readonly attempt?: number;
}

export interface LetterInfo extends DeadLetterReason, LetterOrigin {
  readonly endpoint: string;
  readonly digest: string | null;
  readonly diedAtMs: number;
}

/** A copy of the frame at `from`, with why it died; what was in its extensions before is left out. */
export function withReason(block: Block, from: number, info: LetterInfo): Block {
  const json = Buffer.from(JSON.stringify(clipped(info)));
  const ext = align8(EXT_HEADER + json.length);
  const body = bodyStart(block, from);
  const extStart = appStart(block, from) + align8(appLength(block, from));
  const head = extStart - from;
  const tail = align8(bodyLength(block, from));
  const letter = Block.allocate(head + ext + tail);
  block.u8.copy(letter.u8, 0, from, extStart);
  letter.u16[head >> 1] = EXT_DEAD_LETTER;
  letter.u32[(head + 4) >> 2] = json.length;
  letter.u8.set(json, head + EXT_HEADER);
  block.u8.copy(letter.u8, head + ext, body, body + bodyLength(block, from));
  letter.u32[FRAME.EXT >> 2] = EXT_HEADER + json.length;
  letter.u32[FRAME.TOTAL >> 2] = head + ext + tail;
  return letter;
}

/** A copy of the letter's frame at `from` as it was before it died. */
export function withoutReason(block: Block, from: number): Block {
  const body = bodyStart(block, from);
  const head = appStart(block, from) + align8(appLength(block, from)) - from;
  const tail = align8(bodyLength(block, from));
  const frame = Block.allocate(head + tail);
  block.u8.copy(frame.u8, 0, from, from + head);
  block.u8.copy(frame.u8, head, body, body + bodyLength(block, from));
  frame.u32[FRAME.EXT >> 2] = 0;
  frame.u32[FRAME.TOTAL >> 2] = head + tail;
  return frame;
}

function clipped(info: LetterInfo): LetterInfo {
  if (info.fault?.stack === undefined || JSON.stringify(info).length <= REASON_BYTES_MAX) return info;
  return { ...info, fault: { ...info.fault, stack: info.fault.stack.slice(0, REASON_BYTES_MAX / 4) } };
}

/** Why the letter at a frame died; `null` when the frame is not a letter. */
export function reasonOf(block: Block, frame: number): LetterInfo | null {
  const ext = appStart(block, frame) + align8(appLength(block, frame));
  if (block.u32[(frame + FRAME.EXT) >> 2] === 0 || block.u16[ext >> 1] !== EXT_DEAD_LETTER) return null;
  const length = block.u32[(ext + 4) >> 2]!;
  return JSON.parse(block.u8.toString("utf8", ext + EXT_HEADER, ext + EXT_HEADER + length)) as LetterInfo;
}
