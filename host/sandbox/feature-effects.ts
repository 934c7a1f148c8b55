/**
 * Effects that come with features (REPORT, METHOD_REPLY, INVOKE): whether this module may write them, and whether
 * they are whole. What they ask for is not judged here: a patch that is refused, or a call of nobody, must not
 * cost the batch that it is in, so the hub tells the module of it instead.
 */
import {
  align8,
  EFFECT,
  EFFECT_HEADER,
  ENTRY,
  FEATURE,
  INVOKE,
  METHOD,
  METHOD_REPLY,
  NO_CAUSE,
  RECORD,
  REPORT,
  type Block,
} from "../../abi/index.ts";
import type { EffectSlab } from "./effect-slab.ts";

interface Shape {
  readonly name: string;
  readonly feature: number;
  /** Bytes in front of the texts. */
  readonly head: number;
  /** Where the head counts the texts, in their order. */
  readonly lengths: readonly number[];
}

const SHAPES: Readonly<Record<number, Shape>> = {
  [EFFECT.REPORT]: {
    name: "report",
    feature: FEATURE.TWIN,
    head: REPORT.SIZE,
    lengths: [REPORT.LENGTH],
  },
  [EFFECT.METHOD_REPLY]: {
    name: "method reply",
    feature: FEATURE.METHODS,
    head: METHOD_REPLY.SIZE,
    lengths: [METHOD_REPLY.LENGTH],
  },
  [EFFECT.INVOKE]: {
    name: "invoke",
    feature: FEATURE.INVOKE,
    head: INVOKE.SIZE,
    lengths: [INVOKE.DEVICE_LEN, INVOKE.MODULE_LEN, INVOKE.NAME_LEN, INVOKE.PAYLOAD_LEN],
  },
};

/** Kinds that are a module's to write once it has taken up their feature. */
export const isFeatureEffect = (kind: number, features: number): boolean =>
  ((SHAPES[kind]?.feature ?? 0) & features) !== 0;

/** Whether the payload `[at, end)` is what its kind demands. */
export function featureEffectFault({ u32 }: Block, kind: number, at: number, end: number): string | null {
  const { name, head, lengths } = SHAPES[kind]!;
  if (end - at < head) return `${name}: shorter than its fields`;
  const bytes = lengths.reduce((sum, field) => sum + u32[(at + field) >> 2]!, head);
  if (bytes > end - at || align8(bytes) !== end - at) return `${name}: its lengths do not sum up`;
  return null;
}

/** Whether the effect at `effect` answers the METHOD record at `record` of the batch; see `Records`. */
export function methodReplyFault(guest: Block, effect: number, batch: Block, record: number): string | null {
  if (batch.u16[(record + ENTRY.KIND) >> 1] !== RECORD.METHOD) return "method reply: to no method";
  const asked = (record + batch.u16[(record + ENTRY.HEADER) >> 1]!) >> 2;
  const given = effect >> 2;
  const isSame =
    guest.u32[given + (EFFECT_HEADER.CORR_LO >> 2)] === batch.u32[asked + (METHOD.CORR_LO >> 2)] &&
    guest.u32[given + (EFFECT_HEADER.CORR_HI >> 2)] === batch.u32[asked + (METHOD.CORR_HI >> 2)];
  return isSame ? null : "method reply: its correlation is not that of the method";
}

/** Copies a judged effect, correlation and payload. */
export function takeFeatureEffect(
  guest: Block,
  effect: number,
  at: number,
  end: number,
  slab: EffectSlab,
): void {
  const kind = guest.u16[(effect + EFFECT_HEADER.KIND) >> 1]!;
  const payload = slab.append(kind, 0, NO_CAUSE, end - at);
  const [from, to] = [
    (effect + EFFECT_HEADER.CORR_LO) >> 2,
    (payload - EFFECT_HEADER.SIZE + EFFECT_HEADER.CORR_LO) >> 2,
  ];
  slab.block.u32[to] = guest.u32[from]!;
  slab.block.u32[to + 1] = guest.u32[from + 1]!;
  guest.u8.copy(slab.block.u8, payload, at, end);
}

/** The answer of a method that could not be run. */
export function appendMethodFailure(slab: EffectSlab, batch: Block, record: number, message: string): void {
  const asked = (record + batch.u16[(record + ENTRY.HEADER) >> 1]!) >> 2;
  const json = Buffer.from(JSON.stringify({ message }));
  const payload = slab.append(EFFECT.METHOD_REPLY, 0, NO_CAUSE, METHOD_REPLY.SIZE + json.length);
  const { u8, u32 } = slab.block;
  const corr = (payload - EFFECT_HEADER.SIZE + EFFECT_HEADER.CORR_LO) >> 2;
  u32[corr] = batch.u32[asked + (METHOD.CORR_LO >> 2)]!;
  u32[corr + 1] = batch.u32[asked + (METHOD.CORR_HI >> 2)]!;
  u32[(payload + METHOD_REPLY.STATUS) >> 2] = STATUS_FAULT;
  u32[(payload + METHOD_REPLY.LENGTH) >> 2] = json.length;
  u8.set(json, payload + METHOD_REPLY.SIZE);
}

/** As HTTP has it: the method's own fault. */
const STATUS_FAULT = 500;
