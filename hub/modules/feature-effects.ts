/** Effects of features, read out of a result. The sandbox has seen to it that their lengths sum up. */
import { EFFECT_HEADER, INVOKE, join64, METHOD_REPLY, REPORT, type Block } from "../../abi/index.ts";
import type { Correlation } from "./feature-records.ts";

export interface MethodReply {
  readonly corr: number;
  readonly status: number;
  /** JSON, or nothing. */
  readonly answer: Buffer;
}

export interface Invocation {
  readonly corr: Correlation;
  /** Empty: this gateway. */
  readonly deviceId: string;
  /** Empty: the device itself. */
  readonly moduleId: string;
  readonly name: string;
  /** JSON, or nothing. */
  readonly payload: string;
  /** 0: as by default. */
  readonly timeoutSecs: number;
}

// `at` is the effect's header. What is kept is a copy: the buffer goes back to the sandbox.

export function reportOf({ u8, u32 }: Block, at: number): Buffer {
  const payload = at + EFFECT_HEADER.SIZE;
  const from = payload + REPORT.SIZE;
  return Buffer.from(u8.subarray(from, from + u32[(payload + REPORT.LENGTH) >> 2]!));
}

export function methodReplyOf(block: Block, at: number): MethodReply {
  const payload = at + EFFECT_HEADER.SIZE;
  const { lo, hi } = corrOf(block, at);
  const from = payload + METHOD_REPLY.SIZE;
  const length = block.u32[(payload + METHOD_REPLY.LENGTH) >> 2]!;
  return {
    corr: join64(lo, hi),
    status: block.u32[(payload + METHOD_REPLY.STATUS) >> 2]! | 0,
    answer: Buffer.from(block.u8.subarray(from, from + length)),
  };
}

export function invocationOf(block: Block, at: number): Invocation {
  const payload = at + EFFECT_HEADER.SIZE;
  const field = (offset: number): number => block.u32[(payload + offset) >> 2]!;
  let from = payload + INVOKE.SIZE;
  const text = (lengthAt: number): string => block.u8.toString("utf8", from, (from += field(lengthAt)));
  return {
    corr: corrOf(block, at),
    deviceId: text(INVOKE.DEVICE_LEN),
    moduleId: text(INVOKE.MODULE_LEN),
    name: text(INVOKE.NAME_LEN),
    payload: text(INVOKE.PAYLOAD_LEN),
    timeoutSecs: field(INVOKE.TIMEOUT_SECS),
  };
}

export const corrOf = ({ u32 }: Block, at: number): Correlation => ({
  lo: u32[(at + EFFECT_HEADER.CORR_LO) >> 2]!,
  hi: u32[(at + EFFECT_HEADER.CORR_HI) >> 2]!,
});
