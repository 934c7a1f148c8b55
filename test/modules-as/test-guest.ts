/**
 * The smallest host there can be: runs a module in this thread, writes batches as abi/ lays them out, and
 * decodes what comes back. Key-value writes of a call that traps are dropped, as in the real thing.
 */
import { invocationOf, methodReplyOf, reportOf, type Invocation } from "../../hub/modules/feature-effects.ts";
import {
  BATCH,
  BATCH_BYTES_MAX,
  BATCH_MAGIC,
  Block,
  EFFECT,
  EFFECT_HEADER,
  ENTRY,
  INIT,
  INIT_MAGIC,
  RECORD,
  RESULT,
  RESULT_BYTES_MAX,
  RESULT_MAGIC,
  STATUS,
  align8,
  decodeFrame,
  encodeProperties,
  frameFault,
  frameLength,
  sections,
  writeEntry,
  writeFrame,
  writeUid,
  type DecodedFrame,
} from "../../abi/index.ts";

export interface TestMessage {
  readonly input?: number;
  readonly sourceId?: number;
  readonly body?: string | Uint8Array;
  readonly system?: readonly { readonly id: number; readonly value: string }[];
  readonly properties?: Readonly<Record<string, string | null>>;
  /** Raw section instead of `properties`. */
  readonly app?: Uint8Array;
  readonly attempt?: number;
  readonly enqueued?: number;
  readonly sequence?: number;
}
export type TestRecord =
  | TestMessage
  | { readonly timer: number }
  | { readonly kind: number; readonly flags: number }
  /** As it is. */
  | { readonly record: Uint8Array };

export interface TestEffect {
  readonly kind: "emit" | "pass" | "verdict" | "report" | "reply" | "invoke";
  readonly port: number;
  readonly cause: number;
  readonly frame?: DecodedFrame;
  /** Body as utf-8, of a message that was sent. */
  readonly text?: string;
  /** Application and system properties by name. */
  readonly properties?: Readonly<Record<string, string | null>>;
  readonly record?: number;
  readonly verdict?: number;
  readonly reason?: string;
  readonly status?: number;
  readonly corr?: number;
  readonly invocation?: Invocation;
}

export interface GuestOptions {
  /** Those of word 0 that the guest has to take up. */
  readonly features?: number;
  readonly config?: unknown;
  readonly sources?: Readonly<Record<number, string>>;
  readonly kvBytesMax?: number;
  readonly outMax?: number;
  readonly nowMs?: () => number;
}

export class GuestAbort extends Error {}

type Exports = Readonly<{
  memory: WebAssembly.Memory;
  _initialize?(): void;
  sp_init(at: number, length: number): number;
  sp_mailbox(capacity: number): number;
  sp_batch(at: number, length: number): number;
}>;

export class TestGuest {
  readonly log: { readonly level: number; readonly text: string }[] = [];
  /** Keys as text. */
  kv = new Map<string, Buffer>();
  readonly exports: Exports;
  /** How many records each call of `sp_batch` was given. */
  readonly calls: number[] = [];
  readonly #options: GuestOptions;

  constructor(wasm: Uint8Array, options: GuestOptions = {}) {
    this.#options = options;
    const module = new WebAssembly.Module(wasm);
    this.exports = new WebAssembly.Instance(module, {
      env: {
        abort: (message: number, _file: number, line: number, column: number) => {
          throw new GuestAbort(`${this.#utf16(message)} (${line}:${column})`);
        },
        seed: () => 1,
      },
      sandpiper_v1: this.#functions(),
    }).exports as unknown as Exports;
    this.exports._initialize?.();
    this.#init(options.config ?? {});
  }

  /** Gives records to the guest until all are consumed. Causes count over the whole run. */
  run(records: readonly TestRecord[]): TestEffect[] {
    const effects: TestEffect[] = [];
    for (let done = 0; done < records.length;) {
      const { consumed, effects: some } = this.batch(records.slice(done));
      for (const effect of some) effects.push({ ...effect, cause: effect.cause + done });
      if (consumed === 0) throw new Error("no progress");
      done += consumed;
    }
    return effects;
  }

  /** One call. A trap drops the key-value writes of the batch and is thrown. */
  batch(records: readonly TestRecord[]): { readonly consumed: number; readonly effects: TestEffect[] } {
    const before = new Map(this.kv);
    try {
      const bytes = encodeBatch(records, this.#options.outMax ?? RESULT_BYTES_MAX);
      const result = this.send(bytes);
      this.calls.push(records.length);
      return result === 0 ? { consumed: records.length, effects: [] } : this.#decode(result, records.length);
    } catch (error) {
      this.kv = before;
      throw error;
    }
  }

  /** Raw bytes through the mailbox into `sp_batch`; where the result lies. */
  send(batch: Uint8Array): number {
    const at = this.exports.sp_mailbox(batch.length) >>> 0;
    if (at === 0) throw new Error("mailbox refused");
    new Uint8Array(this.exports.memory.buffer).set(batch, at);
    return this.exports.sp_batch(at, batch.length) >>> 0;
  }

  #init(config: unknown): void {
    const json = Buffer.from(JSON.stringify(config), "utf8");
    const block = Block.allocate(INIT.SIZE + json.length);
    block.u32[INIT.MAGIC >> 2] = INIT_MAGIC;
    block.u16[INIT.HEADER >> 1] = INIT.SIZE;
    block.u32.fill(0xffffffff, INIT.FEATURES >> 2, (INIT.FEATURES >> 2) + 4);
    block.u32[INIT.CONFIG_LEN >> 2] = json.length;
    block.u8.set(json, INIT.SIZE);
    const at = this.exports.sp_mailbox(BATCH_BYTES_MAX) >>> 0;
    new Uint8Array(this.exports.memory.buffer).set(block.u8, at);
    const status = this.exports.sp_init(at, block.u8.length);
    if (status !== 0) throw new Error(`sp_init refused: ${status}`);
    const features = new Uint32Array(this.exports.memory.buffer, at + INIT.FEATURES, 4);
    if (features[0] !== (this.#options.features ?? 0) || features.subarray(1).some((word) => word !== 0))
      throw new Error("guest takes up other features than its manifest asks for");
  }

  #decode(at: number, given: number): { readonly consumed: number; readonly effects: TestEffect[] } {
    const memory = this.exports.memory.buffer;
    if (at % 8 !== 0) throw new Error("result is not aligned");
    const total = new Uint32Array(memory, at, RESULT.SIZE / 4)[RESULT.TOTAL >> 2]!;
    if (total > (this.#options.outMax ?? RESULT_BYTES_MAX))
      throw new Error("result is larger than it may be");
    const block = Block.from(new Uint8Array(memory, at, total));
    if (block.u32[RESULT.MAGIC >> 2] !== RESULT_MAGIC) throw new Error("result: magic");
    const consumed = block.u32[RESULT.CONSUMED >> 2]!;
    if (consumed > given) throw new Error("result: consumed");
    const effects: TestEffect[] = [];
    let place = block.u16[RESULT.HEADER >> 1]!;
    while (place < total) {
      effects.push(decodeEffect(block, place));
      place += block.u32[(place + EFFECT_HEADER.TOTAL) >> 2]!;
    }
    if (place !== total || effects.length !== block.u32[RESULT.COUNT >> 2])
      throw new Error("result: lengths");
    return { consumed, effects };
  }

  #functions(): Record<string, (...args: number[]) => number | void> {
    const bytes = (at: number, length: number): Buffer =>
      Buffer.from(new Uint8Array(this.exports.memory.buffer, at >>> 0, length));
    const answer = (value: Buffer | undefined, to: number, capacity: number): number => {
      if (value === undefined) return STATUS.ABSENT;
      if (value.length <= capacity) new Uint8Array(this.exports.memory.buffer).set(value, to >>> 0);
      return value.length;
    };
    return {
      log: (level, at, length) => void this.log.push({ level: level!, text: bytes(at!, length!).toString() }),
      kv_get: (key, length, to, capacity) =>
        answer(this.kv.get(bytes(key!, length!).toString()), to!, capacity!),
      kv_put: (key, length, value, valueLength) => {
        const name = bytes(key!, length!).toString();
        if (this.#kvBytes(name) + length! + valueLength! > (this.#options.kvBytesMax ?? 1e9))
          return STATUS.QUOTA;
        this.kv.set(name, bytes(value!, valueLength!));
        return 0;
      },
      kv_del: (key, length) => (this.kv.delete(bytes(key!, length!).toString()) ? 0 : STATUS.ABSENT),
      kv_scan: (prefix, prefixLength, after, afterLength, to, capacity) => {
        const [first, last] = [bytes(prefix!, prefixLength!), bytes(after!, afterLength!)];
        const keys = [...this.kv.keys()].map((key) => Buffer.from(key)).sort(Buffer.compare);
        const found = keys.find(
          (key) => key.subarray(0, first.length).equals(first) && Buffer.compare(key, last) > 0,
        );
        return answer(found, to!, capacity!);
      },
      now: () => this.#options.nowMs?.() ?? 1_700_000_000_123,
      monotonic: () => this.#options.nowMs?.() ?? 5_000,
      random: (to, length) => {
        new Uint8Array(this.exports.memory.buffer, to! >>> 0, length).fill(0x80);
        return length!;
      },
      source_name: (id, to, capacity) => {
        const name = this.#options.sources?.[id! >>> 0] ?? (id! > 0 ? `device${id}` : undefined);
        return answer(name === undefined ? undefined : Buffer.from(name), to!, capacity!);
      },
    };
  }

  #kvBytes(except: string): number {
    let bytes = 0;
    for (const [key, value] of this.kv) if (key !== except) bytes += key.length + value.length;
    return bytes;
  }

  #utf16(at: number): string {
    if (at === 0) return "";
    const length = new Uint32Array(this.exports.memory.buffer, (at >>> 0) - 4, 1)[0]!;
    return Buffer.from(this.exports.memory.buffer, at >>> 0, length).toString("utf16le");
  }
}

/** A batch with its header, ready for the mailbox. */
export function encodeBatch(records: readonly TestRecord[], outMax: number): Uint8Array {
  const parts = records.map(encodeRecord);
  const total = BATCH.SIZE + parts.reduce((sum, part) => sum + part.length, 0);
  const block = Block.allocate(total);
  block.u32[BATCH.MAGIC >> 2] = BATCH_MAGIC;
  block.u16[BATCH.HEADER >> 1] = BATCH.SIZE;
  block.u32[BATCH.TOTAL >> 2] = total;
  block.u32[BATCH.COUNT >> 2] = records.length;
  block.u32[BATCH.OUT_MAX >> 2] = outMax;
  let at: number = BATCH.SIZE;
  for (const part of parts) {
    block.u8.set(part, at);
    at += part.length;
  }
  return block.u8;
}

function encodeRecord(record: TestRecord): Uint8Array {
  if ("record" in record) return record.record;
  if ("timer" in record) return controlRecord(RECORD.TIMER, 0, record.timer);
  if ("kind" in record) return controlRecord(record.kind, record.flags, 0);
  const body =
    typeof record.body === "string" ? Buffer.from(record.body, "utf8") : Buffer.from(record.body ?? []);
  const properties = Object.entries(record.properties ?? {}).map(([name, value]) => ({ name, value }));
  const parts = sections(encodeProperties(record.system ?? []), record.app ?? encodeProperties(properties));
  const length = frameLength(parts, body.length);
  const block = Block.allocate(ENTRY.SIZE + length);
  writeEntry(block, 0, length, record.input ?? 0, 7, 0, Infinity);
  block.u8[ENTRY.ATTEMPT] = record.attempt ?? 0;
  const { sourceId = 1, enqueued = 1_600_000_000_000 } = record;
  writeFrame(block, ENTRY.SIZE, sourceId, enqueued, parts, body, 0, body.length);
  writeUid(block, ENTRY.SIZE, 0x01020304, 5, record.sequence ?? 1);
  return block.u8;
}

function controlRecord(kind: number, flags: number, port: number): Uint8Array {
  const block = Block.allocate(ENTRY.SIZE);
  writeEntry(block, 0, 0, port, 0, 0, Infinity);
  block.u16[ENTRY.KIND >> 1] = kind;
  block.u16[ENTRY.FLAGS >> 1] = flags;
  return block.u8;
}

function decodeEffect(block: Block, at: number): TestEffect {
  const total = block.u32[(at + EFFECT_HEADER.TOTAL) >> 2]!;
  if (total % 8 !== 0 || total < EFFECT_HEADER.SIZE) throw new Error("effect: length");
  const port = block.u16[(at + EFFECT_HEADER.PORT) >> 1]!;
  const cause = block.u32[(at + EFFECT_HEADER.CAUSE) >> 2]!;
  const payload = at + block.u16[(at + EFFECT_HEADER.HEADER) >> 1]!;
  const end = at + total;
  switch (block.u16[(at + EFFECT_HEADER.KIND) >> 1]) {
    case EFFECT.EMIT: {
      const fault = frameFault(block, payload, end);
      if (fault !== null) throw new Error(fault);
      const frame = decodeFrame(block, payload);
      const all = [...frame.systemProperties, ...frame.properties];
      const properties = Object.fromEntries(all.map(({ name, value }) => [name, value]));
      return { kind: "emit", port, cause, frame, text: Buffer.from(frame.body).toString("utf8"), properties };
    }
    case EFFECT.PASS:
      return { kind: "pass", port, cause, record: block.u32[payload >> 2]! };
    case EFFECT.VERDICT: {
      const reason = block.u8.toString("utf8", payload + 8, end).replace(/\0+$/, "");
      if (align8(8 + Buffer.byteLength(reason)) !== end - payload) throw new Error("verdict: length");
      return { kind: "verdict", port, cause, verdict: block.u32[payload >> 2]!, reason };
    }
    case EFFECT.REPORT:
      return { kind: "report", port, cause, text: reportOf(block, at).toString() };
    case EFFECT.METHOD_REPLY: {
      const { corr, status, answer } = methodReplyOf(block, at);
      return { kind: "reply", port, cause, corr, status, text: answer.toString() };
    }
    case EFFECT.INVOKE:
      return { kind: "invoke", port, cause, invocation: invocationOf(block, at) };
    default:
      throw new Error("effect: kind");
  }
}
