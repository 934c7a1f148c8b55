/**
 * Dead letters: entries that were given up, kept with the reason, bounded. A letter is the entry's frame with
 * the reason as an extension behind its properties, in a log lane of its own endpoint.
 */
import {
  align8,
  appLength,
  appStart,
  Block,
  bodyLength,
  bodyStart,
  FRAME,
  frameTotal,
  type DeadLetterReason,
} from "../../abi/index.ts";
import type { Journal } from "../journal/journal.ts";
import type { Endpoints } from "./endpoints.ts";
import { trim } from "./event-log.ts";

/** Extension type (u16 type, u16 flags, u32 length, bytes): private to the hub. */
const EXT_DEAD_LETTER = 0x8000;
const EXT_HEADER = 8;
const REASON_BYTES_MAX = 16 * 1024;

export interface LetterInfo extends DeadLetterReason {
  readonly endpoint: string;
  readonly digest: string | null;
  readonly diedAtMs: number;
}

/** Puts the frame at `[from, from + total)` away, as part of the current step. Returns how many older ones went for it. */
export function bury(
  journal: Journal,
  endpoints: Endpoints,
  block: Block,
  from: number,
  info: LetterInfo,
): number {
  const letter = withReason(block, from, info);
  const letters = endpoints.deadLettersOf(info.endpoint);
  const lane = letters.lane(0);
  lane.appendFrame(letter, 0, frameTotal(letter, 0), { port: 0, deadline: Infinity });
  journal.touch(lane);
  return trim(lane, letters.bytesMax);
}

function withReason(block: Block, from: number, info: LetterInfo): Block {
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
