/**
 * One connection as a producer: its messages are routed, appended as one step each, and acknowledged in the
 * order they came (J24) once that step is durable (J1). When a queue that refuses is full, messages wait
 * here, at most a few, and then the socket waits; they are never dropped and never half accepted (J20, J21).
 */
import {
  ENTRY,
  frameLength,
  writeEntry,
  writeFrame,
  writeUid,
  type Block,
  type Sections,
} from "../../abi/index.ts";
import type { Journal } from "../journal/journal.ts";
import { choose, type Option, type Target } from "../router/router.ts";
import { FrameMessage } from "../router/frame-message.ts";
import type { Origin } from "../sources.ts";
import type { Metrics } from "../metrics.ts";
import type { Endpoint } from "./endpoint.ts";

/** Acknowledgements one connection may wait for; then it is not read any further. */
export const UNACKNOWLEDGED_MAX = 4096;
/** Messages of one connection that may wait for room in a full queue; then it is not read any further (A5). */
export const HELD_MAX = 16;

/** What a publisher needs of its connection. */
export interface PublisherSocket {
  puback(packetId: number): void;
  pause(): void;
  resume(): void;
}

/** Where messages of one topic go, worked out once, and again when the routes have changed. */
export interface Plan {
  readonly sourceId: number;
  readonly origin: Origin;
  readonly sections: Sections;
  /** Of contract §3.2; `null` = nowhere. */
  readonly path: string | null;
  targets: readonly Target[];
  /** Of the route table that `targets` were chosen under. */
  version: number;
}

/** What publishers share: the hub's side of a step. */
export interface Ingress {
  readonly journal: Journal;
  readonly metrics: Metrics;
  /** Clocks of the current turn. */
  wallNow: number;
  poweredNow: number;
  uidEpoch: number;
  uidBoot: number;
  uidSequence: number;
  /** Goes up with every change of routes. */
  readonly routesVersion: number;
  /** Our own bound on the store is reached (J19). */
  readonly isStoreFull: boolean;
  targets(path: string): readonly Target[];
  /** Steps are taken in this turn: from the first one on, its clocks stand. */
  stepped(): void;
  /** The publisher has acknowledgements to wait for. */
  waits(publisher: Publisher): void;
  /** The publisher has messages that wait for room, or has stopped reading. */
  stalls(publisher: Publisher): void;
}

interface Held {
  readonly plan: Plan;
  readonly body: Buffer;
  readonly wantsAck: boolean;
  readonly packetId: number;
}

/** What an acknowledgement waits for: a lane, or the journal's steps. */
interface Progress {
  /** Everything below is durable. */
  readonly durable: number;
}

/** Acknowledgements in arrival order: a ring that grows with the client's window. */
class AckRing {
  /** Packet ids, or whatever else the protocol knows its messages by. */
  #ids = new Float64Array(16);
  #offsets = new Float64Array(16);
  #lanes: (Progress | null)[] = Array.from({ length: 16 }, () => null);
  #head = 0;
  count = 0;

  /** `lane` `null`: may be acknowledged as soon as those before it are. */
  push(packetId: number, lane: Progress | null, offset: number): void {
    if (this.count === this.#ids.length) this.#grow();
    const i = (this.#head + this.count++) & (this.#ids.length - 1);
    this.#ids[i] = packetId;
    this.#lanes[i] = lane;
    this.#offsets[i] = offset;
  }

  #grow(): void {
    const n = this.#ids.length;
    const at = (i: number): number => (this.#head + i) & (n - 1);
    const ids = new Float64Array(2 * n);
    const offsets = new Float64Array(2 * n);
    const lanes: (Progress | null)[] = Array.from({ length: 2 * n }, () => null);
    for (let i = 0; i < n; i++) {
      ids[i] = this.#ids[at(i)]!;
      offsets[i] = this.#offsets[at(i)]!;
      lanes[i] = this.#lanes[at(i)]!;
    }
    [this.#ids, this.#offsets, this.#lanes, this.#head] = [ids, offsets, lanes, 0];
  }

  /** Acknowledges what is durable, in order, up to the first that is not. */
  release(socket: PublisherSocket): number {
    const mask = this.#ids.length - 1;
    let released = 0;
    while (this.count > 0) {
      const lane = this.#lanes[this.#head]!;
      if (lane !== null && lane.durable <= this.#offsets[this.#head]!) break;
      socket.puback(this.#ids[this.#head]!);
      this.#lanes[this.#head] = null;
      this.#head = (this.#head + 1) & mask;
      this.count--;
      released++;
    }
    return released;
  }
}

export class Publisher {
  readonly #ingress: Ingress;
  readonly #socket: PublisherSocket;
  readonly #acks = new AckRing();
  #held: Held[] = [];
  #isPaused = false;
  isClosed = false;
  /** In the hub's list of those who wait for acknowledgements, and of those who wait for room. */
  isWaiting = false;
  isStalled = false;

  constructor(ingress: Ingress, socket: PublisherSocket) {
    this.#ingress = ingress;
    this.#socket = socket;
  }

  /** Messages that wait for room. */
  get held(): number {
    return this.#held.length;
  }

  /** Takes one message: bytes `[from, to)` of `bytes`, valid during the call only. */
  publish(plan: Plan, bytes: Buffer, from: number, to: number, wantsAck: boolean, packetId: number): void {
    const { metrics } = this.#ingress;
    this.#ingress.stepped();
    metrics.received++;
    metrics.received_bytes += to - from;
    if (this.#held.length > 0 || !this.#admit(plan, bytes, from, to, wantsAck, packetId)) {
      this.#hold({ plan, body: Buffer.from(bytes.subarray(from, to)), wantsAck, packetId });
    }
    if (this.#acks.count >= UNACKNOWLEDGED_MAX || this.#ingress.journal.isCongested) this.#pause();
  }

  /** Routes and appends, as one step. `false`: a queue that refuses is full, and nothing was done. */
  #admit(plan: Plan, bytes: Buffer, from: number, to: number, wantsAck: boolean, packetId: number): boolean {
    const ingress = this.#ingress;
    if (plan.version !== ingress.routesVersion) renew(plan, ingress);
    const { targets } = plan;
    if (targets.length === 0) {
      ingress.metrics.no_route++;
      if (wantsAck) this.#wait(packetId, null, 0);
      return true;
    }
    if (ingress.isStoreFull) return false;
    const first = targets[0]!.options[0]!;
    const total = frameLength(plan.sections, to - from);
    const slab = first.lane.room(ENTRY.SIZE + total);
    const block = slab.resident;
    const at = slab.end;
    writeFrame(block, at + ENTRY.SIZE, plan.sourceId, ingress.wallNow, plan.sections, bytes, from, to);
    writeUid(block, at + ENTRY.SIZE, ingress.uidEpoch, ingress.uidBoot, ++ingress.uidSequence);

    if (targets.length === 1 && first.condition === null) {
      if (targets[0]!.endpoint.isFull) return false;
      this.#appendInPlace(first, at, total);
      if (wantsAck) this.#wait(packetId, first.lane, first.lane.tail - 1);
      return true;
    }
    return this.#fanOut(plan, block, at, total, wantsAck, packetId);
  }

  #appendInPlace(option: Option, at: number, frameBytes: number): void {
    const { lane } = option;
    const deadline = this.#ingress.poweredNow + option.timeToLiveMs;
    writeEntry(lane.last.resident, at, frameBytes, 0, lane.tail, lane.priority, deadline);
    lane.appended(at + ENTRY.SIZE + frameBytes);
    this.#ingress.journal.touch(lane);
  }

  /** Several targets, or conditions: decides all before it appends any. The frame lies at the first's tail. */
  #fanOut(plan: Plan, block: Block, at: number, total: number, wantsAck: boolean, packetId: number): boolean {
    const frame = at + ENTRY.SIZE;
    const message = flyweight.at(block, frame, plan.origin);
    const chosen: { readonly option: Option; readonly endpoint: Endpoint }[] = [];
    for (const target of plan.targets) {
      const option = choose(target, message, this.#ingress.metrics);
      if (option === null) continue;
      if (target.endpoint.isFull) return false;
      chosen.push({ option, endpoint: target.endpoint });
    }
    if (chosen.length === 0) {
      this.#ingress.metrics.no_route++;
      if (wantsAck) this.#wait(packetId, null, 0);
      return true;
    }
    const inPlace = plan.targets[0]!.options[0]!;
    // Copies first: appending in place may hand the slab's tail to somebody else's room.
    for (const { option } of chosen) {
      if (option === inPlace) continue;
      const deadline = this.#ingress.poweredNow + option.timeToLiveMs;
      option.lane.appendFrame(block, frame, frame + total, { port: 0, deadline });
      this.#ingress.journal.touch(option.lane);
    }
    if (chosen.some(({ option }) => option === inPlace)) this.#appendInPlace(inPlace, at, total);
    if (chosen.length > 1) for (const { option } of chosen) option.lane.pin();
    const { lane } = chosen[0]!.option;
    if (wantsAck) this.#wait(packetId, lane, lane.tail - 1);
    return true;
  }

  /**
   * Acknowledges in its turn (J24) a packet that was no message, but a request of the hub. It waits for the
   * steps taken so far if it has led to one of them (J1).
   */
  acknowledge(packetId: number, hasStepped: boolean): void {
    const { journal } = this.#ingress;
    if (hasStepped) this.#wait(packetId, journal.steps, journal.lastStep);
    else this.#wait(packetId, null, 0);
  }

  #wait(packetId: number, lane: Progress | null, offset: number): void {
    if (lane === null && this.#acks.count === 0) {
      this.#socket.puback(packetId);
      this.#ingress.metrics.acknowledged++;
      return;
    }
    this.#acks.push(packetId, lane, offset);
    this.#ingress.waits(this);
  }

  /** Something became durable. Returns whether there is still something to wait for. */
  release(): boolean {
    if (this.isClosed) return false;
    this.#ingress.metrics.acknowledged += this.#acks.release(this.#socket);
    return this.#acks.count > 0;
  }

  #hold(held: Held): void {
    this.#held.push(held);
    this.#ingress.stalls(this);
    if (this.#held.length >= HELD_MAX) this.#pause();
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#ingress.stalls(this);
    this.#socket.pause();
  }

  /** There may be room again: takes what was held, in order, and reads on. Returns whether it still waits. */
  retry(): boolean {
    if (this.isClosed) return false;
    if (this.#ingress.journal.isCongested) return true;
    let taken = 0;
    for (const { plan, body, wantsAck, packetId } of this.#held) {
      if (!this.#admit(plan, body, 0, body.length, wantsAck, packetId)) break;
      taken++;
    }
    if (taken > 0) {
      this.#held.splice(0, taken);
      this.#ingress.stepped();
    }
    if (this.#held.length > 0 || this.#acks.count >= UNACKNOWLEDGED_MAX) return true;
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#socket.resume();
    }
    return false;
  }

  close(): void {
    this.isClosed = true;
    this.#held = [];
  }
}

const flyweight = new FrameMessage();

function renew(plan: Plan, ingress: Ingress): void {
  plan.version = ingress.routesVersion;
  plan.targets = plan.path === null ? [] : ingress.targets(plan.path);
}
