/**
 * The link to one WASM module: entries of its inputs go to its sandbox in batches, ahead of the flush (J10);
 * what comes back, in order, is one step each (J2): outputs, key-values, dead letters, and the cursor.
 *
 * A batch is one contiguous byte range of one lane, copied into a buffer that travels there and back.
 */
import type { MessagePort } from "node:worker_threads";
import {
  BATCH_BYTES_MAX,
  BATCH_RECORDS_MAX,
  Block,
  ENTRY,
  ENTRY_FLAG,
  entryDeadline,
  entryTotal,
  type DeadLetterReason,
  type Fault,
  type LinkBatch,
  type LinkResult,
  type ToModule,
} from "../../abi/index.ts";
import type { Lane } from "../journal/lane.ts";
import type { Position } from "../journal/slab.ts";
import type { Consumer, Endpoint } from "./endpoint.ts";

/** Batches in the sandbox at once: one runs while the next waits beside it (A18). */
const BATCHES_IN_FLIGHT_MAX = 2;
/** A batch should take the module no longer than this, so that priorities and stops get their turn (A10). */
const BATCH_CPU_US = 5_000;
/**
 * Buffers come in a few sizes, with room for a result of the batch's size. A buffer counts as
 * external memory of each thread it passes through: large ones for single messages keep the collectors busy.
 */
const BUFFER_SIZES = [2 * 1024, 8 * 1024, 32 * 1024, 2 * BATCH_BYTES_MAX] as const;
/** Buffers kept per size. */
const BUFFERS_MAX = 4;
/** Expired entries dropped in one turn. */
const EXPIRED_PER_TURN_MAX = 1024;
/** Weight of the newest batch in the running mean of CPU time per record. */
const CPU_WEIGHT = 0.2;

/** An entry with the CONTROL flag. Whoever hands it over sees to it that not too many wait. */
export interface ControlRecord {
  readonly entry: ArrayBuffer;
  /** Its effects are applied, if it had any. Not called when the link is closed first. */
  readonly handled?: () => void;
  /** The incarnation ended with this fault while it was running. It is not handed over again. */
  readonly blamed?: (fault: Fault) => void;
}

/** A batch in the sandbox: entries of a lane, or one control record. */
export interface SentBatch {
  readonly seq: number;
  readonly lane: Lane | null;
  readonly control: ControlRecord | null;
  readonly endpoint: string;
  readonly block: Block;
  /** Where its entries begin in `block`. */
  readonly from: number;
  readonly end: Position | null;
  readonly count: number;
  readonly attempt: number;
}

/** What the link needs of the hub around it. */
export interface LinkHost {
  nowWall(): number;
  nowPowered(): number;
  /** Whether there is room for what results may bring: checked before hand-over, never against one (J5, J20). */
  hasRoom(): boolean;
  /** Names of the sources after `id`. */
  sourcesAfter(id: number): { readonly last: number; readonly names: readonly (readonly [number, string])[] };
  /** Makes a result one step. The cursor is the caller's. */
  applyResult(result: LinkResult, batch: SentBatch): void;
  bury(batch: SentBatch, reason: DeadLetterReason): void;
  expired(lane: Lane, count: number): void;
  /** Something was stepped: the journal may seal. */
  stepped(lane: Lane | null): void;
}

/** Records in which a fault is being pinned down: they go one by one. */
interface Suspect {
  readonly lane: Lane;
  readonly until: number;
}

export class ModuleLink implements Consumer {
  readonly kind = "module";
  readonly #port: MessagePort;
  readonly #host: LinkHost;
  readonly #inputs: readonly Endpoint[];
  readonly #control: ControlRecord[] = [];
  #inFlight: SentBatch[] = [];
  readonly #buffers: readonly ArrayBuffer[][] = BUFFER_SIZES.map(() => []);
  #seq = 0;
  #lastSource = 0;
  #cpuUsPerRecord = 0;
  #next = 0;
  #suspect: Suspect | null;
  #isOpen = false;
  #onIdle: (() => void) | null = null;

  constructor(port: MessagePort, host: LinkHost, inputs: readonly Endpoint[], suspect: Suspect | null) {
    this.#port = port;
    this.#host = host;
    this.#inputs = inputs;
    this.#suspect = suspect;
    port.on("message", (message: LinkResult) => this.#onResult(message));
  }

  /** The sandbox is up. `speculative`: it may see entries that are not durable yet. */
  open(): void {
    this.#isOpen = true;
    for (const lane of this.#lanes()) lane.deferrable = true;
    this.pump();
  }

  get outstanding(): number {
    return this.#inFlight.reduce((sum, batch) => sum + batch.count, 0);
  }

  /** Goes before any data, and is not stored (J32). */
  control(record: ControlRecord): void {
    this.#control.push(record);
    this.pump();
  }

  /** A line for the module's log. */
  tell(text: string): void {
    this.#port.postMessage({ type: "refused", text } satisfies ToModule);
  }

  /** Nobody takes an input from a module before its link is closed. */
  leave(): void {}

  /** Control records that nobody waits for: ticks. */
  get ticksWaiting(): number {
    return this.#control.reduce((count, { handled }) => (handled === undefined ? count + 1 : count), 0);
  }

  *#lanes(): Generator<Lane> {
    for (const endpoint of this.#inputs) yield* endpoint.lanes;
  }

  pump(): void {
    const window = this.#suspect === null && this.#cpuUsPerRecord <= BATCH_CPU_US ? BATCHES_IN_FLIGHT_MAX : 1;
    while (this.#isOpen && this.#inFlight.length < window) {
      const control = this.#control.shift();
      if (control !== undefined) {
        this.#sendControl(control);
        continue;
      }
      const chosen = this.#host.hasRoom() ? this.#choose() : null;
      if (chosen === null) return;
      this.#send(chosen.endpoint, chosen.lane, chosen.port);
    }
  }

  /** The most urgent lane with something to read; among equals, inputs take turns (A18). */
  #choose(): { endpoint: Endpoint; lane: Lane; port: number } | null {
    let best: { endpoint: Endpoint; lane: Lane; port: number } | null = null;
    const n = this.#inputs.length;
    for (let i = 0; i < n; i++) {
      const port = (this.#next + i) % n;
      const endpoint = this.#inputs[port]!;
      for (const lane of endpoint.lanes) {
        if (best !== null && lane.priority >= best.lane.priority) break;
        lane.deferrable = true;
        if (!this.#hasEntry(lane)) continue;
        best = { endpoint, lane, port };
        break;
      }
    }
    if (best !== null) this.#next = (best.port + 1) % n;
    return best;
  }

  /** Drops what has expired at the head; entries in flight never expire, and those behind them wait for them. */
  #hasEntry(lane: Lane): boolean {
    if (lane.isHeld || lane.reader.offset >= lane.tail) return false;
    const now = this.#host.nowPowered();
    if (lane.reader.offset > lane.cursor.offset) {
      const block = lane.makeResident(lane.reader);
      return entryDeadline(block, lane.reader.at) > now;
    }
    let expired = 0;
    while (lane.cursor.offset < lane.tail && expired < EXPIRED_PER_TURN_MAX) {
      const block = lane.makeResident(lane.cursor);
      if (entryDeadline(block, lane.cursor.at) > now) break;
      lane.settleOne();
      expired++;
    }
    if (expired > 0) {
      this.#host.expired(lane, expired);
      this.#host.stepped(lane);
    }
    return lane.reader.offset < lane.tail;
  }

  #send(endpoint: Endpoint, lane: Lane, port: number): void {
    const block = lane.makeResident(lane.reader);
    const { slab, at: from } = lane.reader;
    const isSuspect = this.#suspect?.lane === lane && lane.reader.offset < this.#suspect.until;
    const countMax = isSuspect ? 1 : this.#countMax();
    const available = Math.min(countMax, slab.endOffset - lane.reader.offset);
    const now = this.#host.nowPowered();
    let to = from;
    let count = 0;
    while (count < available) {
      const bytes = entryTotal(block, to);
      if (count > 0 && (to + bytes - from > BATCH_BYTES_MAX || entryDeadline(block, to) <= now)) break;
      to += bytes;
      count++;
    }
    const buffer = this.#takeBuffer(to - from);
    const attempt = isSuspect ? 1 : 0;
    copyEntries(block, from, to, buffer, port, attempt);
    lane.reader.at = to;
    lane.reader.offset += count;
    this.#post(buffer, to - from, {
      lane,
      control: null,
      endpoint: endpoint.name,
      block,
      from,
      end: lane.reader.copy(),
      count,
      attempt,
    });
  }

  #countMax(): number {
    if (this.#cpuUsPerRecord === 0) return BATCH_RECORDS_MAX;
    return Math.max(1, Math.min(BATCH_RECORDS_MAX, Math.floor(BATCH_CPU_US / this.#cpuUsPerRecord)));
  }

  #sendControl(control: ControlRecord): void {
    const { entry } = control;
    const block = new Block(entry);
    this.#post(entry, entry.byteLength, {
      lane: null,
      control,
      endpoint: "",
      block,
      from: 0,
      end: null,
      count: 1,
      attempt: 0,
    });
  }

  #post(buffer: ArrayBuffer, bytes: number, batch: Omit<SentBatch, "seq">): void {
    const sources = this.#host.sourcesAfter(this.#lastSource);
    if (sources.names.length > 0) {
      this.#port.postMessage({ type: "sources", names: sources.names } satisfies ToModule);
      this.#lastSource = sources.last;
    }
    const seq = ++this.#seq;
    this.#inFlight.push({ seq, ...batch });
    const message: LinkBatch = {
      type: "batch",
      seq,
      count: batch.count,
      bytes,
      nowWall: this.#host.nowWall(),
      nowPowered: this.#host.nowPowered(),
      buffer,
    };
    this.#port.postMessage(message, [buffer]);
  }

  #takeBuffer(bytes: number): ArrayBuffer {
    const size = BUFFER_SIZES.findIndex((known) => known >= 2 * bytes || known === BUFFER_SIZES.at(-1));
    if (bytes > BUFFER_SIZES[size]!) return new ArrayBuffer(bytes);
    return this.#buffers[size]!.pop() ?? new ArrayBuffer(BUFFER_SIZES[size]!);
  }

  #keepBuffer(buffer: ArrayBuffer): void {
    const kept = this.#buffers[BUFFER_SIZES.findIndex((known) => known === buffer.byteLength)];
    if (kept !== undefined && kept.length < BUFFERS_MAX) kept.push(buffer);
  }

  /** Results come in the order of their batches; anything else is of no incarnation of ours (J13). */
  #onResult(result: LinkResult): void {
    const batch = this.#inFlight[0];
    if (batch === undefined || result.seq !== batch.seq) return;
    this.#inFlight.shift();
    this.#host.applyResult(result, batch);
    if (batch.lane !== null && batch.end !== null) this.#settle(batch.lane, batch.end);
    this.#learn(batch, result.cpuUs);
    this.#keepBuffer(result.buffer);
    batch.control?.handled?.();
    this.pump();
    this.#host.stepped(batch.lane);
    if (this.#inFlight.length === 0) this.#onIdle?.();
  }

  #settle(lane: Lane, end: Position): void {
    if (!lane.deleted) lane.settleTo(end);
    if (this.#suspect?.lane === lane && end.offset >= this.#suspect.until) this.#suspect = null;
  }

  #learn(batch: SentBatch, cpuUs: number): void {
    const each = cpuUs / batch.count;
    this.#cpuUsPerRecord += CPU_WEIGHT * (each - this.#cpuUsPerRecord);
  }

  /** No more hand-over; resolves when nothing is outstanding, or after `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    this.#isOpen = false;
    if (this.#inFlight.length === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /**
   * The end of this incarnation. What was in flight will be handed over again. A fault belongs to the batch
   * that was running: its records go one by one next time, and a record that fails again alone is dead (J26).
   */
  close(fault: Fault | null): { readonly pinned: boolean; readonly suspect: Suspect | null } {
    this.#isOpen = false;
    this.#port.close();
    const running = this.#inFlight[0];
    this.#inFlight = [];
    let suspect = this.#suspect;
    let pinned = false;
    if (fault !== null && running?.lane && running.end !== null && !running.lane.deleted) {
      pinned = true;
      if (running.count === 1 && running.attempt > 0) {
        this.#host.bury(running, { reason: "fault", fault });
        this.#settle(running.lane, running.end);
        this.#host.stepped(running.lane);
        suspect = this.#suspect;
      } else {
        suspect = { lane: running.lane, until: running.end.offset };
      }
    }
    if (fault !== null && running?.control?.blamed !== undefined) {
      pinned = true;
      running.control.blamed(fault);
    }
    for (const lane of this.#lanes()) {
      lane.deferrable = false;
      lane.rewind();
    }
    return { pinned, suspect };
  }
}

export type { Suspect };

/** Entries as the module sees them: the port is its own input number, whatever it was when they were stored. */
function copyEntries(
  block: Block,
  from: number,
  to: number,
  into: ArrayBuffer,
  port: number,
  attempt: number,
): void {
  const out = new Block(into);
  block.u8.copy(out.u8, 0, from, to);
  const end = to - from;
  for (let at = 0; at < end; at += entryTotal(out, at)) {
    out.u16[(at + ENTRY.PORT) >> 1] = port;
    if (attempt > 0) {
      out.u8[at + ENTRY.ATTEMPT] = attempt;
      out.u16[(at + ENTRY.FLAGS) >> 1] = ENTRY_FLAG.REDELIVERED;
    }
  }
}
