/**
 * One authenticated identity, live on one transport: what it may do, and what it wants to be told. A head makes
 * one by `Clients.attach` and tells it what the peer says; the hub talks back through its `ClientChannel`.
 *
 * Once it is detached, or its channel was told to end, it does nothing any more, whoever still calls it.
 */
import { NO_SECTIONS, type Sections } from "../../abi/index.ts";
import type { Endpoint } from "../endpoints/endpoint.ts";
import type { Plan } from "../endpoints/publisher.ts";
import type { TwinAnswer } from "../twins/twin-answer.ts";
import {
  nameOf,
  type ClientChannel,
  type ClientEnd,
  type ClientName,
  type Interest,
  type ModuleInput,
} from "./channel.ts";

/** Twin requests of one client that may wait for the disk; those beyond are told to come again. */
export const TWIN_REQUESTS_MAX = 64;

/** What clients share: the hub behind them. */
export interface ClientHost {
  /** How messages of this origin go; `null`: the module has too many outputs already. */
  planOf(name: ClientName, output: string | null, sections: Sections): Plan | null;
  /** The queues that a module of the network may consume now. */
  inputsOf(name: ClientName): readonly ModuleInput[];
  /** What waits for a device; `null`: nothing. A module has none. */
  deviceboundOf(name: ClientName): Endpoint | null;
  getTwin(name: ClientName): Promise<TwinAnswer>;
  patchReported(name: ClientName, patch: Buffer): Promise<TwinAnswer>;
  tooManyTwinRequests(): TwinAnswer;
  methodResult(from: ClientName, rid: string, status: number, body: Buffer): void;
  /** It takes calls of methods from now on. */
  callable(name: ClientName): void;
  detached(client: Client): void;
}

export class Client implements ClientName {
  readonly deviceId: string;
  readonly moduleId: string | null;
  /** `device`, or `device/module`. */
  readonly name: string;
  readonly channel: ClientChannel;
  /** When its credentials end, wall clock, skew included; `Infinity` when they do not. */
  expiresMs: number;
  readonly #host: ClientHost;
  readonly #interests = new Set<Interest>();
  #isLive = true;
  #twinRequests = 0;

  /** Made by `Clients.attach` alone. */
  constructor(name: ClientName, channel: ClientChannel, expiresMs: number, host: ClientHost) {
    this.deviceId = name.deviceId;
    this.moduleId = name.moduleId;
    this.name = nameOf(name);
    this.channel = channel;
    this.expiresMs = expiresMs;
    this.#host = host;
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  wants(what: Interest): boolean {
    return this.#isLive && this.#interests.has(what);
  }

  /** It wants to be pushed this from now on, or no longer. */
  interest(what: Interest, on: boolean): void {
    if (!this.#isLive) return;
    if (on) this.#interests.add(what);
    else this.#interests.delete(what);
    if (what === "inputs") this.attachInputs();
    if (what === "devicebound") this.attachDevicebound();
    if (what === "methods" && on) this.#host.callable(this);
  }

  /** Has the channel consume what it may consume now: routes and modules come and go. */
  attachInputs(): void {
    this.channel.inputs(this.wants("inputs") ? this.#host.inputsOf(this) : []);
  }

  /** Has the channel consume what waits for it now: queues come with the first message. */
  attachDevicebound(): void {
    this.channel.devicebound(this.wants("devicebound") ? this.#host.deviceboundOf(this) : null);
  }

  /**
   * How to publish a message of this client, by `Publisher`. A device has no outputs: what it calls one is
   * ignored, as IoT Hub does. `null`: it would have too many outputs.
   */
  planOf(output: string | null, sections: Sections = NO_SECTIONS): Plan | null {
    return this.#host.planOf(this, this.moduleId === null ? null : output, sections);
  }

  /** Its own twin. Resolves when what it says is durable (J1); the client may be gone by then. Never rejects. */
  twin(): Promise<TwinAnswer> {
    return this.#twinRequest(() => this.#host.getTwin(this));
  }

  /** A patch of its reported properties, JSON as it came. Resolves when it is durable (J1). Never rejects. */
  patchReported(patch: Buffer): Promise<TwinAnswer> {
    return this.#twinRequest(() => this.#host.patchReported(this, patch));
  }

  async #twinRequest(request: () => Promise<TwinAnswer>): Promise<TwinAnswer> {
    if (!this.#isLive || this.#twinRequests >= TWIN_REQUESTS_MAX) return this.#host.tooManyTwinRequests();
    this.#twinRequests++;
    try {
      return await request();
    } finally {
      this.#twinRequests--;
    }
  }

  /** Its answer to a call. One that nobody waits for is ignored (contract §4.8). */
  methodResult(rid: string, status: number, body: Buffer): void {
    if (this.#isLive) this.#host.methodResult(this, rid, status, body);
  }

  /** The transport is gone, or has given the identity up. The channel is not called again. */
  detach(): void {
    if (!this.#isLive) return;
    this.#isLive = false;
    this.#interests.clear();
    this.#host.detached(this);
  }

  /** By `Clients` alone: the hub has had enough of it. */
  end(why: ClientEnd): void {
    if (!this.#isLive) return;
    this.detach();
    this.channel.end(why);
  }
}
