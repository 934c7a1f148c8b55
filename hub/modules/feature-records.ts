/** Control records that bring a module what it serves, or is served: methods, replies, desired properties. */
import { controlEntry, DESIRED, ENTRY, METHOD, RECORD, REPLY, high32, type Block } from "../../abi/index.ts";

/** Where the payload of a control entry begins, in words. */
const PAYLOAD = ENTRY.SIZE >> 2;

/** `patch` and `whole`: JSON objects. */
export function desiredRecord(version: number, patch: Buffer, whole: Buffer): ArrayBuffer {
  const block = controlEntry(RECORD.DESIRED, DESIRED.SIZE + patch.length + whole.length);
  block.u32[PAYLOAD + (DESIRED.VERSION >> 2)] = version;
  block.u32[PAYLOAD + (DESIRED.PATCH_LEN >> 2)] = patch.length;
  block.u32[PAYLOAD + (DESIRED.WHOLE_LEN >> 2)] = whole.length;
  return withTexts(block, DESIRED.SIZE, patch, whole);
}

/** `payload`: JSON. */
export function methodRecord(corr: number, name: Buffer, payload: Buffer): ArrayBuffer {
  const block = controlEntry(RECORD.METHOD, METHOD.SIZE + name.length + payload.length);
  block.u32[PAYLOAD + (METHOD.CORR_LO >> 2)] = corr >>> 0;
  block.u32[PAYLOAD + (METHOD.CORR_HI >> 2)] = high32(corr);
  block.u32[PAYLOAD + (METHOD.NAME_LEN >> 2)] = name.length;
  block.u32[PAYLOAD + (METHOD.PAYLOAD_LEN >> 2)] = payload.length;
  return withTexts(block, METHOD.SIZE, name, payload);
}

/** What a module called an invocation by: both halves, which are its own business. */
export interface Correlation {
  readonly lo: number;
  readonly hi: number;
}

/** `status`: i32. `answer`: JSON, or nothing. */
export function replyRecord({ lo, hi }: Correlation, status: number, answer: Buffer): ArrayBuffer {
  const block = controlEntry(RECORD.REPLY, REPLY.SIZE + answer.length);
  block.u32[PAYLOAD + (REPLY.CORR_LO >> 2)] = lo;
  block.u32[PAYLOAD + (REPLY.CORR_HI >> 2)] = hi;
  block.u32[PAYLOAD + (REPLY.STATUS >> 2)] = status;
  block.u32[PAYLOAD + (REPLY.LENGTH >> 2)] = answer.length;
  return withTexts(block, REPLY.SIZE, answer);
}

function withTexts(block: Block, head: number, ...texts: readonly Buffer[]): ArrayBuffer {
  let at = ENTRY.SIZE + head;
  for (const text of texts) at += text.copy(block.u8, at);
  return block.buffer;
}
