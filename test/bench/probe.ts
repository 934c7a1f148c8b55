/** One device and the sink, sending lone messages through the gateway's module and timing them. */
import { connectAsync, type MqttClient } from "mqtt";
import { BenchError } from "./bench-error.ts";
import type { Client } from "./credentials.ts";
import { PAYLOAD_BYTES_MIN, type Gateway } from "./gateway.ts";

const ROUND_TRIP_TIMEOUT_MS = 10_000;
const POISON = Buffer.from("poison");

export class Probe implements AsyncDisposable {
  readonly #device: MqttClient;
  readonly #sink: MqttClient;
  readonly #topic: string;
  readonly #arrivals = new Map<string, () => void>();
  #sent = 0;

  private constructor(device: MqttClient, sink: MqttClient, topic: string) {
    this.#device = device;
    this.#sink = sink;
    this.#topic = topic;
    sink.on("message", (_topic, payload) => this.#arrivals.get(payload.toString())?.());
  }

  static async connect({ port, devices, sink }: Gateway): Promise<Probe> {
    const receiver = await connectAs(sink, port);
    await receiver.subscribeAsync(sink.topic, { qos: 1 });
    const device = devices[0]!;
    return new Probe(await connectAs(device, port), receiver, device.topic);
  }

  /** From publishing a message until the sink has it, ms. @throws {BenchError} SP_BENCH_PROBE */
  async roundTrip(): Promise<number> {
    const payload = `measurement ${this.#sent++}`.padEnd(PAYLOAD_BYTES_MIN);
    const begin = performance.now();
    const arrived = this.#arrival(payload);
    await this.#device.publishAsync(this.#topic, payload, { qos: 1 });
    return (await arrived) - begin;
  }

  /** When it came. */
  #arrival(payload: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#arrivals.delete(payload);
        reject(new BenchError("SP_BENCH_PROBE", `probe: nothing came back for ${ROUND_TRIP_TIMEOUT_MS} ms`));
      }, ROUND_TRIP_TIMEOUT_MS);
      this.#arrivals.set(payload, () => {
        clearTimeout(timer);
        this.#arrivals.delete(payload);
        resolve(performance.now());
      });
    });
  }

  /** A record that the module traps on. Resolves when it is acknowledged. */
  async poison(): Promise<void> {
    await this.#device.publishAsync(this.#topic, POISON, { qos: 1 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#device.endAsync();
    await this.#sink.endAsync();
  }
}

const connectAs = ({ clientId, username, password }: Client, port: number): Promise<MqttClient> =>
  connectAsync(`mqtt://127.0.0.1:${port}`, { clientId, username, password, reconnectPeriod: 0 }, false);
