/**
 * From what a guest returned to what the hub may journal. Every byte is judged before it counts: pointers
 * within memory as it is after the call, lengths that sum exactly, ports that are declared, frames that are
 * well-formed, causes that were consumed. One finding makes the whole result void: never partly applied.
 *
 * Effects of a port keep the guest's order; between ports it is not kept, which is what lets runs merge.
 */
import {
  BATCH_RECORDS_MAX,
  EFFECT,
  EFFECT_HEADER,
  ENTRY,
  ENTRY_FLAG,
  frameHops,
  LINK_EFFECT,
  NO_CAUSE,
  PORTS_MAX,
  RECORD,
  RESULT,
  RESULT_MAGIC,
  VERDICT,
  type Block,
  type DeadLetterReason,
} from "../../abi/index.ts";
import type { EffectSlab } from "./effect-slab.ts";
import {
  featureEffectFault,
  isFeatureEffect,
  methodReplyFault,
  takeFeatureEffect,
} from "./feature-effects.ts";
import { guestFrameFault, takeFrame } from "./guest-frame.ts";
import { printable } from "./trap.ts";

const VERDICT_BYTES_MAX = 1024;
const NONE = -1;

/** The records of one batch, with the byte offset of each; `starts[count]` is their end. */
export interface Records {
  readonly block: Block;
  readonly starts: Uint32Array;
  readonly nowWall: number;
}

/** The part of a batch that one call of the guest was given. */
export interface CallRange {
  readonly first: number;
  readonly count: number;
}

export type Translation = { readonly consumed: number } | { readonly invalid: string };

export class ResultTranslator {
  readonly #outputSources: readonly number[];
  readonly #resultBytesMax: number;
  /** Feature word 0 of the module. */
  readonly #features: number;
  readonly #slab: EffectSlab;
  /** By port: where in the slab its latest effect is. */
  readonly #latest = new Int32Array(PORTS_MAX).fill(NONE);
  /** The effect at the slab's end, the only one that can take another frame. */
  #last = NONE;
  /** Records that have a verdict, or a reply: each has one at most. */
  readonly #judged = new Uint8Array(BATCH_RECORDS_MAX);

  constructor(outputSources: readonly number[], resultBytesMax: number, slab: EffectSlab, features = 0) {
    this.#features = features;
    this.#outputSources = outputSources;
    this.#resultBytesMax = resultBytesMax;
    this.#slab = slab;
  }

  /**
   * Appends the effects of the result at `ptr` (as the guest gave it) to the slab. When it is invalid, the
   * caller takes back what was appended.
   */
  translate(guest: Block, ptr: number, records: Records, range: CallRange): Translation {
    const at = ptr >>> 0;
    const invalid = this.#headerFault(guest, at, range);
    if (invalid !== null) return { invalid };
    const consumed = guest.u32[(at + RESULT.CONSUMED) >> 2]!;
    this.#latest.fill(NONE);
    this.#last = NONE;
    this.#judged.fill(0, 0, range.count);
    const count = guest.u32[(at + RESULT.COUNT) >> 2]!;
    const end = at + guest.u32[(at + RESULT.TOTAL) >> 2]!;
    let effect = at + guest.u16[(at + RESULT.HEADER) >> 1]!;
    for (let i = 0; i < count; i++) {
      const fault =
        headFault(guest, effect, end) ?? this.#effect(guest, effect, records, range.first, consumed);
      if (fault !== null) return { invalid: `effect ${i}: ${fault}` };
      effect += guest.u32[effect >> 2]!;
    }
    return effect === end
      ? { consumed }
      : { invalid: `result: ${end - effect} bytes behind its last effect` };
  }

  #headerFault({ u8, u16, u32 }: Block, at: number, range: CallRange): string | null {
    if ((at & 7) !== 0) return `result: pointer ${at} is not 8-aligned`;
    if (at + RESULT.SIZE > u8.length) return `result: pointer ${at} is outside memory`;
    if (u32[at >> 2] !== RESULT_MAGIC) return "result: wrong magic";
    const header = u16[(at + RESULT.HEADER) >> 1]!;
    const total = u32[(at + RESULT.TOTAL) >> 2]!;
    const consumed = u32[(at + RESULT.CONSUMED) >> 2]!;
    if (header < RESULT.SIZE || (header & 7) !== 0 || header > total)
      return `result: header length ${header}`;
    if (total > this.#resultBytesMax) return `result: ${total} bytes, more than ${this.#resultBytesMax}`;
    if (at + total > u8.length) return "result: reaches beyond memory";
    if (consumed > range.count) return `result: consumed ${consumed} records of ${range.count}`;
    if (consumed === 0 && range.count > 0) return "result: consumed no record";
    return null;
  }

  /** One effect, whose header is sound. */
  #effect(guest: Block, at: number, records: Records, first: number, consumed: number): string | null {
    const { u16, u32 } = guest;
    const w = at >> 2;
    const kind = u16[(at + EFFECT_HEADER.KIND) >> 1]!;
    const cause = u32[w + (EFFECT_HEADER.CAUSE >> 2)]!;
    if (cause !== NO_CAUSE && cause >= consumed) return `cause ${cause} of ${consumed} consumed records`;
    const port = u16[(at + EFFECT_HEADER.PORT) >> 1]!;
    const payload = at + u16[(at + EFFECT_HEADER.HEADER) >> 1]!;
    const end = at + u32[w]!;
    switch (kind) {
      case EFFECT.PASS:
      case EFFECT.EMIT:
        if (port >= this.#outputSources.length) return `port ${port} is not declared`;
        return kind === EFFECT.PASS
          ? this.#pass(guest, payload, end, port, records, first, consumed)
          : this.#emit(guest, payload, end, port, records, cause === NO_CAUSE ? NONE : first + cause);
      case EFFECT.VERDICT:
        if (cause === NO_CAUSE) return "verdict: without a record";
        return this.#verdict(guest, payload, end, records, first, cause);
      default:
        if (isFeatureEffect(kind, this.#features)) return this.#feature(guest, at, cause, first, records);
        if ((u16[(at + EFFECT_HEADER.FLAGS) >> 1]! & ENTRY_FLAG.MAY_IGNORE) !== 0) return null;
        return `kind ${kind} is not a guest's to write`;
    }
  }

  #pass(
    { u32 }: Block,
    at: number,
    end: number,
    port: number,
    records: Records,
    first: number,
    consumed: number,
  ): string | null {
    if (end - at !== 8) return `pass: ${end - at} bytes, expected 8`;
    const index = u32[at >> 2]!;
    if (index >= consumed) return `pass: record ${index} of ${consumed} consumed`;
    const record = first + index;
    if (!isMessage(records, record)) return `pass: record ${index} is not a message`;
    const from = records.starts[record]!;
    const to = records.starts[record + 1]!;
    const slab = this.#slab;
    slab.passedBytes += to - from;
    const run = this.#latest[port]!;
    if (run !== NONE && runEnd(slab.block, run) === from) {
      const w = (run + EFFECT_HEADER.SIZE) >> 2;
      slab.block.u32[w + 1] = to;
      slab.block.u32[w + 2]! += 1;
      return null;
    }
    const payload = slab.append(LINK_EFFECT.PASS_RUN, port, NO_CAUSE, 16) >> 2;
    const out = slab.block.u32;
    out[payload] = from;
    out[payload + 1] = to;
    out[payload + 2] = 1;
    this.#placed(port, (payload << 2) - EFFECT_HEADER.SIZE);
    return null;
  }

  /** `cause`: index of the record in the batch, or NONE. */
  #emit(guest: Block, at: number, end: number, port: number, records: Records, cause: number): string | null {
    const fault = guestFrameFault(guest, at, end);
    if (fault !== null) return fault;
    const bytes = end - at;
    const slab = this.#slab;
    let run = this.#latest[port]!;
    let to: number;
    if (run !== NONE && run === this.#last && kindAt(slab.block, run) === LINK_EFFECT.EMIT_RUN) {
      to = slab.extend(run, bytes);
    } else {
      const payload = slab.append(LINK_EFFECT.EMIT_RUN, port, NO_CAUSE, 8 + bytes);
      run = payload - EFFECT_HEADER.SIZE;
      to = payload + 8;
      slab.block.u32[payload >> 2] = 0;
      slab.block.u32[(payload >> 2) + 1] = 0;
      this.#placed(port, run);
    }
    const w = (run + EFFECT_HEADER.SIZE) >> 2;
    slab.block.u32[w]! += 1;
    slab.block.u32[w + 1]! += bytes;
    const hops =
      cause !== NONE && isMessage(records, cause)
        ? frameHops(records.block, records.starts[cause]! + ENTRY.SIZE) + 1
        : 0;
    takeFrame(guest, at, end, slab.block, to, hops, this.#outputSources[port]!, records.nowWall);
    return null;
  }

  #verdict(
    guest: Block,
    at: number,
    end: number,
    records: Records,
    first: number,
    cause: number,
  ): string | null {
    if (end - at < 8) return "verdict: shorter than its fields";
    const verdict = guest.u32[at >> 2]!;
    if (verdict === VERDICT.OK) return null;
    if (verdict !== VERDICT.DEAD_LETTER) return `verdict: ${verdict} is not offered by this host`;
    if (!isMessage(records, first + cause)) return `verdict: record ${cause} is not a message`;
    if (this.#judged[cause] !== 0) return `verdict: second one for record ${cause}`;
    this.#judged[cause] = 1;
    const text = guest.u8.toString("utf8", at + 8, Math.min(end, at + 8 + VERDICT_BYTES_MAX));
    appendDeadLetter(this.#slab, records, first + cause, {
      reason: "verdict",
      text: printable(text.replace(/\0+$/, "")),
    });
    this.#last = NONE;
    return null;
  }

  /** `cause` as in the effect. */
  #feature(guest: Block, effect: number, cause: number, first: number, records: Records): string | null {
    const kind = kindAt(guest, effect);
    const at = effect + guest.u16[(effect + EFFECT_HEADER.HEADER) >> 1]!;
    const end = effect + guest.u32[effect >> 2]!;
    const fault = featureEffectFault(guest, kind, at, end);
    if (fault !== null) return fault;
    if (kind === EFFECT.METHOD_REPLY) {
      if (cause === NO_CAUSE) return "method reply: without a record";
      const other = methodReplyFault(guest, effect, records.block, records.starts[first + cause]!);
      if (other !== null) return other;
      if (this.#judged[cause] !== 0) return `method reply: second one for record ${cause}`;
      this.#judged[cause] = 1;
    }
    takeFeatureEffect(guest, effect, at, end, this.#slab);
    this.#last = NONE;
    return null;
  }

  #placed(port: number, at: number): void {
    this.#latest[port] = at;
    this.#last = at;
  }
}

/** `record`: index in the batch. */
export function appendDeadLetter(
  slab: EffectSlab,
  records: Records,
  record: number,
  reason: DeadLetterReason,
): void {
  const json = Buffer.from(JSON.stringify(reason));
  const at = slab.append(LINK_EFFECT.DEAD_LETTER, 0, record, 16 + json.length);
  const w = at >> 2;
  slab.block.u32[w] = records.starts[record]!;
  slab.block.u32[w + 1] = records.starts[record + 1]!;
  slab.block.u32[w + 2] = json.length;
  slab.block.u32[w + 3] = 0;
  slab.block.u8.set(json, at + 16);
}

function headFault({ u16, u32 }: Block, at: number, end: number): string | null {
  if (at + EFFECT_HEADER.SIZE > end) return "reaches beyond the result";
  const total = u32[at >> 2]!;
  const header = u16[(at + EFFECT_HEADER.HEADER) >> 1]!;
  if ((total & 7) !== 0 || at + total > end) return `length ${total}`;
  if (header < EFFECT_HEADER.SIZE || (header & 7) !== 0 || header > total) return `header length ${header}`;
  return null;
}

const kindAt = (block: Block, at: number): number => block.u16[(at + EFFECT_HEADER.KIND) >> 1]!;

/** Where a run of passed entries ends; NONE for any other effect. */
function runEnd(block: Block, at: number): number {
  if (kindAt(block, at) !== LINK_EFFECT.PASS_RUN) return NONE;
  return block.u32[((at + EFFECT_HEADER.SIZE) >> 2) + 1]!;
}

export const isMessage = ({ block, starts }: Records, record: number): boolean =>
  block.u16[(starts[record]! + ENTRY.KIND) >> 1] === RECORD.MESSAGE;
