/**
 * Outputs of a module's result, routed and appended: runs of entries that the module passed on are copied as
 * byte ranges, frames it made get their uid here. All of it is part of one step, whose cause is inside, so
 * nothing of it may be left to a later group.
 */
import {
  Block,
  EFFECT,
  EFFECT_HEADER,
  ENTRY,
  entryTotal,
  frameHops,
  frameTotal,
  HOPS_MAX,
  LINK_EFFECT,
  writeUid,
  type DeadLetterReason,
  type LinkResult,
} from "../../abi/index.ts";
import { FrameMessage } from "../router/frame-message.ts";
import { choose, type Option, type Target } from "../router/router.ts";
import type { Origin } from "../sources.ts";
import type { Run } from "../journal/lane.ts";
import type { SentBatch } from "./module-link.ts";
import type { Ingress } from "./publisher.ts";

/** One output of a module under the route table in force. */
export interface OutputPlan {
  readonly origin: Origin;
  readonly sourceId: number;
  readonly targets: readonly Target[];
}

export interface ResultSink {
  readonly ingress: Ingress;
  output(port: number): OutputPlan;
  keyValue(key: string, value: Buffer | null): void;
  /** A REPORT, METHOD_REPLY or INVOKE, whose header is at `at`. */
  feature(kind: number, block: Block, at: number): void;
  /** The frame at `[from, ...)` of a block is given up. */
  bury(block: Block, frame: number, reason: DeadLetterReason): void;
}

const flyweight = new FrameMessage();

/** Applies every effect of a result, which the sandbox has validated. */
export function applyEffects(result: LinkResult, batch: SentBatch, sink: ResultSink): void {
  const block = new Block(result.buffer);
  const { u16, u32 } = block;
  for (let at = 0; at < result.bytes; at += u32[at >> 2]!) {
    const kind = u16[(at + EFFECT_HEADER.KIND) >> 1]!;
    const port = u16[(at + EFFECT_HEADER.PORT) >> 1]!;
    const payload = at + EFFECT_HEADER.SIZE;
    const [a, b, c] = [u32[payload >> 2]!, u32[(payload + 4) >> 2]!, u32[(payload + 8) >> 2]!];
    switch (kind) {
      case LINK_EFFECT.PASS_RUN:
        sink.ingress.metrics.emitted += c;
        passRun(
          { block: batch.block, from: batch.from + a, to: batch.from + b, count: c },
          sink.output(port),
          sink,
        );
        break;
      case LINK_EFFECT.EMIT_RUN:
        sink.ingress.metrics.emitted += a;
        emitRun(block, payload + 8, a, sink.output(port), sink);
        break;
      case EFFECT.KV_PUT:
      case EFFECT.KV_DEL: {
        const key = block.u8.toString("latin1", payload + 8, payload + 8 + a);
        const value = payload + 8 + a;
        // A copy: the buffer goes back to the sandbox.
        sink.keyValue(key, kind === EFFECT.KV_DEL ? null : Buffer.from(block.u8.subarray(value, value + b)));
        break;
      }
      case LINK_EFFECT.DEAD_LETTER: {
        const reason = block.u8.toString("utf8", payload + 16, payload + 16 + c);
        sink.bury(batch.block, batch.from + a + ENTRY.SIZE, JSON.parse(reason) as DeadLetterReason);
        break;
      }
      case EFFECT.REPORT:
      case EFFECT.METHOD_REPLY:
      case EFFECT.INVOKE:
        sink.feature(kind, block, at);
        break;
      default:
        throw new Error(`result of a sandbox holds effect ${kind}`);
    }
  }
}

function passRun(run: Run, plan: OutputPlan, sink: ResultSink): void {
  if (hopsOf(run) < HOPS_MAX) return route(run, plan, sink);
  // Some go in circles: those are given up, and their neighbours go on.
  eachEntry(run, (from, to) => {
    if (frameHops(run.block, from + ENTRY.SIZE) < HOPS_MAX) route({ ...run, from, to, count: 1 }, plan, sink);
    else sink.bury(run.block, from + ENTRY.SIZE, { reason: "hops" });
  });
}

function route(run: Run, plan: OutputPlan, sink: ResultSink): void {
  if (plan.targets.length === 0) sink.ingress.metrics.no_route += run.count;
  for (const target of plan.targets) {
    const first = target.options[0]!;
    if (first.condition === null) append(run, first, plan.sourceId, sink);
    else
      eachEntry(run, (from, to) => {
        const option = choose(
          target,
          flyweight.at(run.block, from + ENTRY.SIZE, plan.origin),
          sink.ingress.metrics,
        );
        if (option !== null) append({ block: run.block, from, to, count: 1 }, option, plan.sourceId, sink);
      });
  }
}

function append(run: Run, option: Option, sourceId: number, { ingress }: ResultSink): void {
  option.lane.appendRun(run, { port: 0, deadline: ingress.poweredNow + option.timeToLiveMs }, sourceId);
  option.lane.pin();
  ingress.journal.touch(option.lane);
}

function hopsOf(run: Run): number {
  let most = 0;
  eachEntry(run, (at) => (most = Math.max(most, frameHops(run.block, at + ENTRY.SIZE))));
  return most;
}

function eachEntry(run: Run, visit: (at: number, to: number) => void): void {
  for (let at = run.from; at < run.to;) {
    const to = at + entryTotal(run.block, at);
    visit(at, to);
    at = to;
  }
}

function emitRun(block: Block, from: number, count: number, plan: OutputPlan, sink: ResultSink): void {
  const { ingress } = sink;
  let frame = from;
  for (let i = 0; i < count; i++) {
    const to = frame + frameTotal(block, frame);
    writeUid(block, frame, ingress.uidEpoch, ingress.uidBoot, ++ingress.uidSequence);
    if (frameHops(block, frame) > HOPS_MAX) sink.bury(block, frame, { reason: "hops" });
    else emit(block, frame, to, plan, sink);
    frame = to;
  }
}

/** Routes a frame that did not come by a connection and appends it, as part of the current step. */
export function emit(
  block: Block,
  frame: number,
  to: number,
  plan: OutputPlan,
  { ingress }: Pick<ResultSink, "ingress">,
): void {
  let matched = false;
  for (const target of plan.targets) {
    const option = choose(target, flyweight.at(block, frame, plan.origin), ingress.metrics);
    if (option === null) continue;
    matched = true;
    option.lane.appendFrame(block, frame, to, {
      port: 0,
      deadline: ingress.poweredNow + option.timeToLiveMs,
    });
    option.lane.pin();
    ingress.journal.touch(option.lane);
  }
  if (!matched) ingress.metrics.no_route++;
}
