/**
 * Cloud-to-device messages: a queue for each device that something waits for, in the journal like any other. It is
 * made by the first message and goes when it has drained, so that devices nothing waits for cost nothing.
 *
 * A message ends once: completed, rejected, delivered too often, expired or purged. Its end, and the feedback that
 * its sender asked for, are one step (J2).
 */
import { ENTRY, entryDeadline, PROPERTY_ID, SandpiperError, type Block } from "../../abi/index.ts";
import { deliveryHostOf } from "../delivery-host.ts";
import type { DeliveryHost } from "../endpoints/delivery-window.ts";
import { DEVICEBOUND_PREFIX, type Endpoint } from "../endpoints/endpoint.ts";
import type { Engine } from "../engine.ts";
import { eventRecord } from "../operator/events.ts";
import { DEVICEBOUND_LIMITS, type DeviceboundSent, type DeviceboundWaiting } from "../face/devicebound.ts";
import type { Identity } from "../face/identity.ts";
import type { Identities } from "../identity/identities.ts";
import type { Lane } from "../journal/lane.ts";
import { hubOrigin, ownFrame } from "../own-message.ts";
import { Feedback, isWanted, type DeviceboundEnd } from "./feedback.ts";
import {
  ackOf,
  decodeMessage,
  DeviceboundError,
  expiryMsOf,
  systemText,
  type DecodedMessage,
} from "./message.ts";
import { isInReach, settleWaiting, waitingIn, type Waiting } from "./waiting.ts";

/** How often queues that nobody takes from are looked through, ms: what is over is told of this late at most. */
const SWEEP_MS = 30_000;
/** Entries a queue may hold together with those that are settled behind its oldest one (J23). */
const ENTRIES_MAX = 1_024;

/** How long a device may have a delivery over AMQP before it is offered again, ms (contract §9). */
export const LOCK_MS = 60_000;

export interface DeviceboundOptions {
  readonly engine: Engine;
  readonly identities: Pick<Identities, "find">;
  readonly gatewayId: string;
}

export class Devicebound {
  readonly feedback: Feedback;
  /** What consumers of these queues deliver by. */
  readonly deliveries: DeliveryHost;
  readonly #options: DeviceboundOptions;
  readonly #sweepTimer: NodeJS.Timeout;
  #onOpened: (deviceId: string) => void = () => undefined;
  #isFlushDue = false;

  constructor(options: DeviceboundOptions) {
    this.#options = options;
    this.feedback = new Feedback(options.engine, options.gatewayId);
    this.deliveries = this.#deliveryHost();
    this.#sweepTimer = setInterval(() => this.sweep(), SWEEP_MS).unref();
  }

  /** Called when a device has a queue that it had not before. */
  onOpened(listener: (deviceId: string) => void): void {
    this.#onOpened = listener;
  }

  /** What waits for a device; `null`: nothing, so far. */
  queueOf(deviceId: string): Endpoint | null {
    return this.#options.engine.endpoints.find(DEVICEBOUND_PREFIX + deviceId) ?? null;
  }

  /** See `Hub.sendDevicebound`. */
  async send(deviceId: string, message: unknown): Promise<DeviceboundSent> {
    this.#device(deviceId);
    const { engine } = this.#options;
    engine.tick();
    const { powered } = engine.journal;
    const decoded = decodeMessage(deviceId, message, powered.isCredible() ? engine.wallNow : null);
    this.#admit(deviceId);
    const isNew = this.queueOf(deviceId) === null;
    const endpoint = engine.endpoints.open(DEVICEBOUND_PREFIX + deviceId);
    const lane = endpoint.lane(0);
    this.#append(lane, decoded);
    if (isNew) this.#onOpened(deviceId);
    const sent = {
      messageId: decoded.messageId,
      enqueuedTime: new Date(engine.wallNow).toISOString(),
      waiting: waitingIn(lane, engine.journal.tables).length,
    };
    await engine.journal.durable();
    return sent;
  }

  /** @throws {DeviceboundError} SP_C2D_FULL */
  #admit(deviceId: string): void {
    const { engine } = this.#options;
    const refuse = (why: string, hint: string): DeviceboundError =>
      new DeviceboundError("SP_C2D_FULL", `cloud-to-device message for "${deviceId}": ${why}`, {
        hint,
        details: { deviceId },
      });
    if (engine.isStoreFull) throw refuse("the store is full", "see: sandpiper queue list");
    const lane = this.queueOf(deviceId)?.lane(0);
    if (lane === undefined) return;
    const { messagesMax } = DEVICEBOUND_LIMITS;
    if (lane.length < ENTRIES_MAX && waitingIn(lane, engine.journal.tables).length < messagesMax) return;
    const hint = `it takes none, or has to be purged: sandpiper c2d list ${deviceId}`;
    throw refuse(`${messagesMax} wait already`, hint);
  }

  #append(lane: Lane, { sections, body, waitsMs }: DecodedMessage): void {
    const { engine, gatewayId } = this.#options;
    engine.stepped();
    const sourceId = engine.sources.intern(hubOrigin(gatewayId));
    const message = { properties: sections, body, enqueuedMs: engine.wallNow };
    const block = ownFrame(engine, sourceId, message);
    lane.appendFrame(block, 0, block.u8.length, { port: 0, deadline: engine.poweredNow + waitsMs });
    engine.journal.touch(lane);
    engine.journal.step();
  }

  /** See `Hub.devicebound`. Answers when what it says is durable (J1). */
  async list(deviceId: string): Promise<readonly DeviceboundWaiting[]> {
    this.#device(deviceId);
    const { engine } = this.#options;
    const lane = this.queueOf(deviceId)?.lane(0);
    engine.tick();
    const waiting = lane === undefined ? [] : waitingIn(lane, engine.journal.tables);
    const listed = waiting.map((one) => this.#describe(one));
    await engine.journal.durable();
    return listed;
  }

  #describe({ block, at, offset, attempts }: Waiting): DeviceboundWaiting {
    const { engine } = this.#options;
    const frame = at + ENTRY.SIZE;
    const byDeadline = entryDeadline(block, at) - engine.poweredNow;
    return {
      messageId: systemText(block, frame, PROPERTY_ID.MESSAGE_ID) ?? "",
      ack: ackOf(block, frame),
      deliveryCount: attempts,
      expiresInMs: Math.max(0, Math.min(byDeadline, expiryMsOf(block, frame) - engine.wallNow)),
      message: eventRecord(block, at, offset, engine.sources),
    };
  }

  /** See `Hub.purgeDevicebound`. */
  async purge(deviceId: string): Promise<{ readonly purged: number }> {
    this.#device(deviceId);
    const { engine } = this.#options;
    const endpoint = this.queueOf(deviceId);
    const waiting = endpoint === null ? [] : waitingIn(endpoint.lane(0), engine.journal.tables);
    for (const { block, at } of waiting) this.#ended(endpoint!, block, at + ENTRY.SIZE, "purged");
    if (endpoint !== null) this.#drop(endpoint);
    await engine.journal.durable();
    return { purged: waiting.length };
  }

  /** The device is no more: nobody is told. As part of the current step; its connections have ended. */
  forget(deviceId: string): void {
    const endpoint = this.queueOf(deviceId);
    if (endpoint !== null) this.#drop(endpoint);
  }

  #drop(endpoint: Endpoint): void {
    endpoint.consumer?.leave(endpoint);
    this.#options.engine.endpoints.remove(endpoint);
    this.#options.engine.stepped();
  }

  /** @throws SP_IDENTITY_UNKNOWN, SP_C2D_MODULE */
  #device(deviceId: string): Identity {
    const found = this.#options.identities.find(deviceId, null);
    if (found?.moduleId !== undefined) {
      throw new DeviceboundError(
        "SP_C2D_MODULE",
        `"${deviceId}" is a module, and only devices get messages`,
        {
          hint: "a module has inputs, which routes lead to, and methods: sandpiper method invoke",
          details: { deviceId },
        },
      );
    }
    if (found !== undefined) return found;
    throw new SandpiperError("SP_IDENTITY_UNKNOWN", `identity: "${deviceId}" does not exist`, {
      hint: "see: sandpiper device list",
      details: { deviceId },
    });
  }

  // ---- How messages end ----

  #deliveryHost(): DeliveryHost {
    const { engine } = this.#options;
    const base = deliveryHostOf(engine);
    return {
      ...base,
      nowPowered: () => engine.journal.powered.now(), // a lock may end in no turn of the engine
      isOver: (block, frame) => this.#isExpiryOver(block, frame),
      ended: (endpoint, block, frame, end) => this.#ended(endpoint, block, frame, end),
      settled: (lane) => {
        base.settled(lane);
        engine.journal.step();
        this.#flushSoon();
      },
    };
  }

  /** A command that was completed is not repeated for want of a flush: there are few, and they may move things. */
  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    setImmediate(() => {
      this.#isFlushDue = false;
      void this.#options.engine.journal.durable();
    });
  }

  /** By the wall clock, while that can be believed (J31). */
  #isExpiryOver(block: Block, frame: number): boolean {
    const { engine } = this.#options;
    return engine.journal.powered.isCredible() && expiryMsOf(block, frame) <= engine.clock.wall();
  }

  #ended(endpoint: Endpoint, block: Block, frame: number, end: DeviceboundEnd): void {
    if (!isWanted(ackOf(block, frame), end)) return;
    const deviceId = endpoint.name.slice(DEVICEBOUND_PREFIX.length);
    this.feedback.tell({
      messageId: systemText(block, frame, PROPERTY_ID.MESSAGE_ID) ?? "",
      deviceId,
      deviceGenerationId: this.#options.identities.find(deviceId, null)?.generationId ?? "",
      end,
    });
  }

  /** Looks through queues that nobody takes from, and lets those go that have drained. */
  sweep(): void {
    const { engine } = this.#options;
    engine.journal.powered.review();
    engine.tick();
    for (const endpoint of [...engine.endpoints.all()].filter(({ kind }) => kind === "devicebound")) {
      const lane = endpoint.lane(0);
      if (lane.length > 0 && lane.cursor.offset === lane.reader.offset) this.#sweepQueue(endpoint, lane);
      if (lane.length === 0) this.#drop(endpoint);
    }
  }

  /** With a consumer the states beyond the cursor are its own: then only what is at the cursor is ended here. */
  #sweepQueue(endpoint: Endpoint, lane: Lane): void {
    const { engine } = this.#options;
    const over = new Set<number>();
    for (const waiting of waitingIn(lane, engine.journal.tables)) {
      const isEnded = isInReach(lane, waiting.offset) && this.#endIfOver(endpoint, lane, waiting);
      if (isEnded) over.add(waiting.offset);
      else if (endpoint.consumer !== null) break;
    }
    if (over.size === 0) return;
    if (endpoint.consumer === null) settleWaiting(lane, engine.journal.tables, over);
    else for (let i = over.size; i > 0; i--) lane.settleOne();
    this.deliveries.settled(lane);
  }

  /** Whether its time is over, or its deliveries are used up. */
  #endIfOver(endpoint: Endpoint, lane: Lane, { block, at, attempts }: Waiting): boolean {
    const frame = at + ENTRY.SIZE;
    if (entryDeadline(block, at) <= this.#options.engine.poweredNow || this.#isExpiryOver(block, frame)) {
      this.deliveries.expired(lane);
      this.#ended(endpoint, block, frame, "expired");
      return true;
    }
    if (attempts < endpoint.deliveriesMax) return false;
    this.deliveries.bury(endpoint, block, frame, { reason: "deliveries" });
    this.#ended(endpoint, block, frame, "deliveries");
    return true;
  }

  close(): void {
    clearInterval(this.#sweepTimer);
  }
}
