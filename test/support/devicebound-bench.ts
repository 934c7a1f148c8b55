/** Cloud-to-device messages on an engine whose clocks, commits and consumers are the test's. */
import type { DeviceboundMessage, FeedbackRecord } from "../../hub/face.ts";
import { Devicebound, LOCK_MS } from "../../hub/devicebound/devicebound.ts";
import { EngineBench } from "./faults/engine-bench.ts";
import { WindowConsumer } from "./faults/window-consumer.ts";
import { GATEWAY } from "./hub.ts";

export interface DeviceboundBenchOptions {
  /** Of a bench before this one, to go on with. */
  readonly before?: DeviceboundBench;
  readonly wall?: number;
}

export class DeviceboundBench implements AsyncDisposable {
  readonly bench: EngineBench;
  readonly devicebound: Devicebound;
  readonly time: { wall: number; monotonic: number };
  readonly opened: string[] = [];

  constructor({ before, wall }: DeviceboundBenchOptions = {}) {
    const begun = wall ?? before?.time.wall ?? Date.UTC(2027, 0, 1);
    const time = (this.time = { wall: begun, monotonic: 1_000 });
    const clock = { wall: () => time.wall, monotonic: () => time.monotonic };
    this.bench = new EngineBench({ clock, ...(before && { store: before.bench.store }) });
    const known = (deviceId: string) =>
      deviceId === "unknown" ? undefined : { ...DEVICE, deviceId, generationId: `g-${deviceId}` };
    this.devicebound = new Devicebound({
      engine: this.bench.engine,
      gatewayId: GATEWAY,
      identities: { find: known },
    });
    this.devicebound.onOpened((deviceId) => this.opened.push(deviceId));
  }

  /** Both clocks. */
  advance(ms: number): void {
    this.time.wall += ms;
    this.time.monotonic += ms;
  }

  send(deviceId: string, text: string, more: Partial<DeviceboundMessage> = {}) {
    return this.devicebound.send(deviceId, { body: Buffer.from(text), messageId: text, ...more });
  }

  /** A device that is connected, with locks as over AMQP. */
  consumer(deviceId: string): WindowConsumer {
    const { engine } = this.bench;
    const setup = { engine, host: this.devicebound.deliveries, lockMs: LOCK_MS };
    const consumer = new WindowConsumer(setup, `$c2d/${deviceId}`);
    consumer.window.pump();
    return consumer;
  }

  async waiting(deviceId: string): Promise<string[]> {
    return (await this.devicebound.list(deviceId)).map(({ messageId }) => messageId);
  }

  /** Durable ones: `id status`. */
  async feedback(): Promise<string[]> {
    return (await this.records()).map(
      ({ originalMessageId, statusCode }) => `${originalMessageId} ${statusCode}`,
    );
  }

  async records(): Promise<readonly FeedbackRecord[]> {
    return (await this.devicebound.feedback.read({ limit: 1_000, waitMs: 0 })).records;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.devicebound.close();
    await this.bench[Symbol.asyncDispose]();
  }
}

const DEVICE = {
  enabled: true,
  authentication: { type: "sas", primaryKey: "", secondaryKey: "" },
} as const;
