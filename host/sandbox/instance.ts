/**
 * One live wasm instance: made, initialised, and called with records until it traps or the worker ends. Its
 * globals are a cache (A9): whoever holds it may throw it away between any two calls.
 *
 * Methods throw whatever the guest's run threw; `toFault` knows what it means. After a throw the instance
 * must be discarded.
 */
import {
  ABI_MINOR,
  align8,
  BATCH,
  BATCH_FLAG,
  BATCH_MAGIC,
  CONFIG_BYTES_MAX,
  featuresOf,
  FRAME_BYTES_MAX,
  high32,
  INIT,
  INIT_MAGIC,
  type SandboxSpec,
} from "../../abi/index.ts";
import type { HostState } from "./host-calls.ts";
import { GuestMemory } from "./guest-memory.ts";
import { linkImports } from "./linker.ts";
import type { ModuleConfig } from "./module-config.ts";
import type { CallRange, Records } from "./result.ts";
import { GuestFault } from "./trap.ts";
import { createWasiProvider, type WasiLibrary, type WasiProvider } from "./wasi-provider.ts";
import type { WatchCell } from "./watch-cell.ts";

/** Only the first has features. */
const FEATURE_WORDS = 4;
const MAILBOX_BYTES_MIN = 4096;

/** What every instance of a worker shares. */
export interface GuestContext {
  readonly spec: SandboxSpec;
  readonly host: HostState;
  readonly watch: WatchCell;
  /** Null when the module imports no WASI. */
  readonly wasi: WasiLibrary | null;
}

export interface BatchCall {
  readonly seq: number;
  readonly nowWall: number;
  readonly nowPowered: number;
  readonly records: Records;
  readonly range: CallRange;
  readonly rerun: boolean;
}

interface GuestFunctions {
  readonly sp_init: (ptr: number, length: number) => number;
  readonly sp_mailbox: (capacity: number) => number;
  readonly sp_batch: (ptr: number, length: number) => number;
}

export class GuestInstance {
  readonly memory = new GuestMemory();
  /** Of the configuration that the module has seen. */
  configVersion: number;
  readonly #context: GuestContext;
  readonly #wasi: WasiProvider | null;
  readonly #functions: GuestFunctions;
  #mailbox = 0;
  #mailboxBytes = 0;

  /** `made`: instances of this module before this one. */
  constructor(context: GuestContext, made: number, config: ModuleConfig) {
    const { spec, host, watch, wasi } = context;
    this.#context = context;
    this.configVersion = config.version;
    this.#wasi =
      wasi &&
      createWasiProvider(wasi, spec.module, {
        args: [spec.name],
        env: spec.env,
        grants: spec.grants,
        filesBytesMax: spec.limits.filesBytesMax,
        log: host.log,
      });
    watch.enter(0);
    try {
      const imports = linkImports(spec.module, spec.grants, host, this.memory, this.#wasi);
      const instance = new WebAssembly.Instance(spec.module, imports);
      this.memory.attach(instance.exports["memory"] as WebAssembly.Memory);
      this.#wasi?.bind(instance);
      this.#functions = instance.exports as unknown as GuestFunctions;
      (instance.exports["_initialize"] as (() => void) | undefined)?.();
      this.#initialise(made, config);
    } catch (error) {
      this.dispose();
      throw error;
    } finally {
      watch.leave();
    }
  }

  /** Set when the WASI provider itself broke, even if the guest swallowed what it threw. */
  get wasiFailure(): Error | null {
    return this.#wasi?.failure ?? null;
  }

  /**
   * Runs the records of the range. Returns the pointer of the result (0 = all consumed, no effects), or
   * `null` when the guest has no room for them.
   */
  call(batch: BatchCall): number | null {
    const { records, range } = batch;
    const from = records.starts[range.first]!;
    const to = records.starts[range.first + range.count]!;
    const total = BATCH.SIZE + to - from;
    this.#context.watch.enter(range.count);
    try {
      if (!this.#reserve(total)) return null;
      this.#writeBatchHeader(batch, total);
      records.block.u8.copy(this.memory.block.u8, this.#mailbox + BATCH.SIZE, from, to);
      return this.#functions.sp_batch(this.#mailbox, total);
    } finally {
      this.#context.watch.leave();
    }
  }

  dispose(): void {
    this.#wasi?.dispose();
  }

  #initialise(made: number, { version, json }: ModuleConfig): void {
    const { limits, grants, methods } = this.#context.spec;
    const features = featuresOf(grants, methods);
    if (json.length > CONFIG_BYTES_MAX)
      throw new GuestFault("init", `configuration of ${json.length} bytes, more than ${CONFIG_BYTES_MAX}`);
    const total = align8(INIT.SIZE + json.length);
    if (!this.#reserve(total)) throw new GuestFault("init", `sp_mailbox has no room for ${total} bytes`);
    const at = this.#mailbox;
    const { u8, u16, u32 } = this.memory.block;
    u8.fill(0, at, at + total);
    const w = at >> 2;
    u32[w] = INIT_MAGIC;
    u16[(at + INIT.HEADER) >> 1] = INIT.SIZE;
    u16[(at + INIT.MINOR) >> 1] = ABI_MINOR;
    u32[w + (INIT.FEATURES >> 2)] = features;
    u32[w + (INIT.RECORD_MAX >> 2)] = FRAME_BYTES_MAX;
    u32[w + (INIT.RESULT_MAX >> 2)] = limits.resultBytesMax;
    u32[w + (INIT.CONFIG_VERSION >> 2)] = version;
    u32[w + (INIT.CONFIG_LEN >> 2)] = json.length;
    u32[w + (INIT.INSTANCE >> 2)] = made;
    u8.set(json, at + INIT.SIZE);
    const answer = this.#functions.sp_init(at, total);
    if (answer !== 0) throw new GuestFault("init", `sp_init refused with ${answer}`);
    this.#checkFeatures(at, features);
  }

  /** What the manifest asks for is what the module takes up: the hub hands it the records of these, and no others. */
  #checkFeatures(at: number, offered: number): void {
    const { u32 } = this.memory.block;
    for (let i = 0; i < FEATURE_WORDS; i++) {
      const wanted = u32[((at + INIT.FEATURES) >> 2) + i]!;
      const expected = i === 0 ? offered : 0;
      if (wanted === expected) continue;
      const asked = `its manifest asks for 0x${expected.toString(16)}`;
      throw new GuestFault("init", `takes up features 0x${wanted.toString(16)} of word ${i}, ${asked}`);
    }
  }

  #writeBatchHeader(batch: BatchCall, total: number): void {
    const { seq, nowWall, nowPowered, range, rerun } = batch;
    const { limits } = this.#context.spec;
    const at = this.#mailbox;
    const { u16, u32, f64 } = this.memory.block;
    const w = at >> 2;
    u32[w] = BATCH_MAGIC;
    u16[(at + BATCH.HEADER) >> 1] = BATCH.SIZE;
    u16[(at + BATCH.MINOR) >> 1] = ABI_MINOR;
    u32[w + (BATCH.TOTAL >> 2)] = total;
    u32[w + (BATCH.COUNT >> 2)] = range.count;
    u32[w + (BATCH.SEQ_LO >> 2)] = seq >>> 0;
    u32[w + (BATCH.SEQ_HI >> 2)] = high32(seq);
    f64[(at + BATCH.NOW_WALL) >> 3] = nowWall;
    f64[(at + BATCH.NOW_POWERED) >> 3] = nowPowered;
    u32[w + (BATCH.BUDGET_US >> 2)] = limits.recordDeadlineMs * 1000;
    u32[w + (BATCH.OUT_MAX >> 2)] = limits.resultBytesMax;
    u32[w + (BATCH.FLAGS >> 2)] = rerun ? BATCH_FLAG.RERUN : 0;
    u32[w + (BATCH.CONFIG_VERSION >> 2)] = this.configVersion;
    u32.fill(0, w + (BATCH.RESERVED >> 2), w + (BATCH.SIZE >> 2));
  }

  /** Makes room in the mailbox; asks for some to spare first, so that it is asked seldom. */
  #reserve(bytes: number): boolean {
    if (bytes <= this.#mailboxBytes) return true;
    const spare = Math.max(MAILBOX_BYTES_MIN, 2 ** Math.ceil(Math.log2(bytes)));
    for (const capacity of [spare, bytes]) {
      const ptr = this.#functions.sp_mailbox(capacity) >>> 0;
      if (ptr === 0) continue;
      if ((ptr & 7) !== 0) throw new GuestFault("memory", `sp_mailbox gave ${ptr}, which is not 8-aligned`);
      if (!this.memory.holds(ptr, capacity))
        throw new GuestFault(
          "memory",
          `sp_mailbox gave ${ptr} for ${capacity} bytes, which is outside memory`,
        );
      this.#mailbox = ptr;
      this.#mailboxBytes = capacity;
      return true;
    }
    this.#mailboxBytes = 0;
    return false;
  }
}
