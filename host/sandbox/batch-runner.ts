/**
 * Runs batches of one module and gives every record its outcome (J2). When a call traps, nothing of it
 * counts; the instance is discarded and the records are run again in halves, in order, until the one that
 * cannot be run stands alone: that one is dead-lettered with its fault, everything else goes through (J26).
 *
 * A record is given up when it trapped twice, the last time alone in a new instance: what its neighbours left
 * in globals is not its fault (A9). It ends: each re-run is shorter, or of a lone record in a newer instance.
 */
import {
  BATCH_RECORDS_MAX,
  Block,
  ENTRY,
  entryAttempt,
  entryKind,
  entryPort,
  entryTotal,
  featuresOf,
  RECORD,
  type Fault,
  type LinkBatch,
  type LinkResult,
} from "../../abi/index.ts";
import { threadCpuUs } from "./cpu-clock.ts";
import { EffectSlab } from "./effect-slab.ts";
import { appendMethodFailure } from "./feature-effects.ts";
import { GuestInstance, type GuestContext } from "./instance.ts";
import { configIn, configOf, type ModuleConfig } from "./module-config.ts";
import { appendDeadLetter, isMessage, ResultTranslator, type CallRange, type Records } from "./result.ts";
import { SourceMap } from "./source-map.ts";
import { toFault, WorkerFault } from "./trap.ts";

/**
 * What one batch may come to at the hub (results, passed entries, key-values), as a multiple of what one
 * call may return.
 */
const BATCH_EXPANSION_MAX = 4;

/** A fault that did no lasting harm: somebody should still count it. */
export interface Recovery {
  /** `unpinned`: a batch trapped, and all its records passed when run again. `control`: a record was skipped. */
  readonly kind: "unpinned" | "control";
  readonly fault: Fault;
}

/** Records `[from, to)` of the batch, still to be run. */
interface Part {
  readonly from: number;
  readonly to: number;
  /** A call that held these records has trapped. */
  readonly suspect: boolean;
}

type Outcome =
  | { readonly type: "consumed"; readonly count: number }
  | { readonly type: "no_room" }
  | { readonly type: "fault"; readonly fault: Fault };

interface Tally {
  poisoned: number;
  skipped: number;
  fault: Fault | null;
}

export class BatchRunner {
  readonly #context: GuestContext;
  readonly #onRecovery: (recovery: Recovery) => void;
  readonly #slab = new EffectSlab();
  readonly #translator: ResultTranslator;
  readonly #map: SourceMap | null;
  readonly #expansionMax: number;
  #config: ModuleConfig;
  #instance: GuestInstance | null = null;
  /** The instance has handled records: a trap may be their doing. */
  #used = false;
  #made = 0;
  /** Most bytes of records that this guest took in one call; smaller once its mailbox refused. */
  #callBytesMax = Number.POSITIVE_INFINITY;

  constructor(context: GuestContext, onRecovery: (recovery: Recovery) => void) {
    const { spec } = context;
    this.#context = context;
    this.#onRecovery = onRecovery;
    this.#config = configOf(spec);
    this.#translator = new ResultTranslator(
      spec.outputSources,
      spec.limits.resultBytesMax,
      this.#slab,
      featuresOf(spec.grants, spec.methods),
    );
    this.#expansionMax = spec.limits.resultBytesMax * BATCH_EXPANSION_MAX;
    this.#map = spec.sourceMap === undefined ? null : new SourceMap(spec.sourceMap);
  }

  /** Makes the instance when there is none. @throws {WorkerFault} kind `init` or `wasi` */
  prepare(): GuestInstance {
    if (this.#instance !== null) return this.#instance;
    const { spec, host } = this.#context;
    if (this.#made === 0) host.nowWall = Date.now();
    try {
      this.#instance = new GuestInstance(this.#context, spec.incarnation + this.#made, this.#config);
    } catch (error) {
      const fault = toFault(error, this.#map);
      const again = this.#made === 0 ? "" : " again after a trap";
      const message = `not initialised${again}: ${fault.message}`;
      throw new WorkerFault({ ...fault, kind: fault.kind === "wasi" ? "wasi" : "init", message });
    }
    this.#made++;
    return this.#instance;
  }

  /**
   * The batch's buffer is used up: the result lies in it when it fits.
   * @throws {WorkerFault} when no record can be blamed; nothing of the batch counts then
   */
  run(batch: LinkBatch): LinkResult {
    const started = threadCpuUs();
    const records = indexRecords(batch);
    const tally: Tally = { poisoned: 0, skipped: 0, fault: null };
    this.#context.host.nowWall = batch.nowWall;
    const parts: Part[] = [{ from: 0, to: batch.count, suspect: false }];
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      if (part.from < part.to) parts.push(...this.#runPart(batch, records, part, tally));
    }
    this.#adoptConfig(configIn(records.block));
    this.#context.host.kv.drain(this.#slab);
    this.#checkExpansion(this.#slab.length + this.#slab.passedBytes);
    if (tally.fault !== null && tally.poisoned + tally.skipped === 0)
      this.#onRecovery({ kind: "unpinned", fault: tally.fault });
    const { buffer, bytes } = this.#slab.take(batch.buffer);
    const cpuUs = Math.round(threadCpuUs() - started);
    return { type: "result", seq: batch.seq, bytes, buffer, cpuUs, poisoned: tally.poisoned };
  }

  /** Also when the handler of the change failed: a new instance begins with what is wanted now. */
  #adoptConfig(config: ModuleConfig | null): void {
    if (config === null) return;
    this.#config = config;
    if (this.#instance !== null) this.#instance.configVersion = config.version;
  }

  dispose(): void {
    this.#instance?.dispose();
    this.#instance = null;
  }

  /** Returns what is left to run, the last first. */
  #runPart(batch: LinkBatch, records: Records, part: Part, tally: Tally): Part[] {
    const { from, to, suspect } = part;
    const bytes = records.starts[to]! - records.starts[from]!;
    if (bytes > this.#callBytesMax && to - from > 1) return halves(part);
    const used = this.#used;
    const outcome = this.#call(batch, records, part);
    if (outcome.type === "consumed") return [{ ...part, from: from + outcome.count }];
    if (outcome.type === "no_room" && to - from > 1) {
      this.#callBytesMax = bytes >> 1;
      return halves(part);
    }
    const fault = outcome.type === "fault" ? outcome.fault : noRoom(bytes);
    tally.fault ??= fault;
    this.#discard();
    if (to - from > 1) return halves({ ...part, suspect: true });
    const again = suspect || entryAttempt(records.block, records.starts[from]!) > 0;
    if (!again || used) return [{ from, to, suspect: true }];
    this.#giveUp(records, from, fault, tally);
    return [];
  }

  #call(batch: LinkBatch, records: Records, part: Part): Outcome {
    const { host } = this.#context;
    const slab = this.#slab;
    const mark = slab.length;
    const passedMark = slab.passedBytes;
    const instance = this.prepare();
    const range = { first: part.from, count: part.to - part.from };
    host.kv.begin();
    const outcome = this.#enter(instance, batch, records, range, part.suspect);
    if (outcome.type === "consumed") {
      const bytes = slab.length - mark + slab.passedBytes - passedMark + host.kv.overlayBytes;
      if (bytes <= this.#expansionMax) {
        host.kv.commit();
        this.#used = true;
        return outcome;
      }
    }
    host.kv.drop();
    slab.truncate(mark, passedMark);
    if (outcome.type !== "consumed") return outcome;
    const message = `result: comes to more than ${this.#expansionMax} bytes with what it passes on and puts`;
    return { type: "fault", fault: { kind: "result", message } };
  }

  /** Runs the guest and judges what it returns. Whatever the guest's run throws is the guest's fault. */
  #enter(
    instance: GuestInstance,
    { seq, nowWall, nowPowered }: LinkBatch,
    records: Records,
    range: CallRange,
    rerun: boolean,
  ): Outcome {
    let ptr: number | null = null;
    let error: unknown = null;
    try {
      ptr = instance.call({ seq, nowWall, nowPowered, records, range, rerun });
    } catch (thrown) {
      error = thrown;
    }
    error = instance.wasiFailure ?? error;
    if (error !== null) {
      const fault = toFault(error, this.#map);
      if (fault.kind === "wasi") throw new WorkerFault(fault);
      return { type: "fault", fault };
    }
    if (ptr === null) return { type: "no_room" };
    if (ptr === 0) return { type: "consumed", count: range.count };
    const translation = this.#translator.translate(instance.memory.block, ptr, records, range);
    if ("consumed" in translation) return { type: "consumed", count: translation.consumed };
    return { type: "fault", fault: { kind: "result", message: translation.invalid } };
  }

  /** Calls that are fine alone can still add up to more than the journal takes as one step. */
  #checkExpansion(bytes: number): void {
    if (bytes <= this.#expansionMax) return;
    const message = `batch: comes to ${bytes} bytes, more than ${this.#expansionMax}`;
    throw new WorkerFault({ kind: "result", message });
  }

  #giveUp(records: Records, record: number, fault: Fault, tally: Tally): void {
    const at = records.starts[record]!;
    const { log } = this.#context.host;
    if (isMessage(records, record)) {
      tally.poisoned++;
      appendDeadLetter(this.#slab, records, record, { reason: "fault", fault });
      log.write("error", `message dead-lettered: ${fault.kind}: ${described(fault)}`);
    } else {
      tally.skipped++;
      const kind = entryKind(records.block, at);
      const why = `${fault.kind}: ${described(fault)}`;
      log.write("error", `${skipped(kind, entryPort(records.block, at))}: ${why}`);
      if (kind === RECORD.METHOD) appendMethodFailure(this.#slab, records.block, at, why);
      this.#onRecovery({ kind: "control", fault });
    }
  }

  #discard(): void {
    this.dispose();
    this.#used = false;
    this.#callBytesMax = Number.POSITIVE_INFINITY;
    this.#context.host.log.flush();
  }
}

const halves = ({ from, to, suspect }: Part): Part[] => {
  const middle = (from + to) >> 1;
  return [
    { from: middle, to, suspect },
    { from, to: middle, suspect },
  ];
};

const noRoom = (bytes: number): Fault => ({
  kind: "memory",
  message: `sp_mailbox has no room for a record of ${bytes} bytes`,
});

/** What is lost with a control record that cannot be run. */
function skipped(kind: number, port: number): string {
  switch (kind) {
    case RECORD.TIMER:
      return `timer ${port} skipped`;
    case RECORD.METHOD:
      return "method failed";
    case RECORD.REPLY:
      return "reply to an invocation skipped";
    case RECORD.DESIRED:
      return "handler of desired properties failed, they hold all the same";
    default:
      return "control record skipped";
  }
}

/** The message, and where it happened. */
const described = ({ message, stack }: Fault): string =>
  stack === undefined ? message : `${message}, in ${stack.split("\n", 1)[0]}`;

function indexRecords(batch: LinkBatch): Records {
  if (batch.count > BATCH_RECORDS_MAX) throw malformed(batch, batch.count);
  const block = new Block(batch.buffer);
  const starts = new Uint32Array(batch.count + 1);
  let at = 0;
  for (let i = 0; i < batch.count; i++) {
    starts[i] = at;
    const total = at + ENTRY.SIZE <= batch.bytes ? entryTotal(block, at) : 0;
    if (total < ENTRY.SIZE || (total & 7) !== 0) throw malformed(batch, i);
    at += total;
  }
  if (at !== batch.bytes) throw malformed(batch, batch.count);
  starts[batch.count] = at;
  return { block, starts, nowWall: batch.nowWall };
}

/** A bug on our side of the link, which no guest can cause. */
const malformed = (batch: LinkBatch, record: number): Error =>
  new Error(`link: batch ${batch.seq} is malformed at record ${record} of ${batch.count}`);
