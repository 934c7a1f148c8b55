/** A publisher that keeps a number of messages in flight, and judges the acknowledgements it gets. */
import type { KeyedIdentity } from "../../../hub/face.ts";
import { RawClient } from "./raw-client.ts";

const PACKET_IDS = 65_535;

export interface InFlight {
  readonly packetId: number;
  readonly sequence: number;
}

/**
 * Its messages are numbered from 0. It outlives its connections: what was not acknowledged on one is sent
 * again, first and in order, on the next.
 */
export class WindowPublisher {
  readonly identity: KeyedIdentity;
  /** Messages in flight at most. */
  window: number;
  /** Between messages, ms; 0 = as soon as the window lets them. */
  paceMs = 0;
  /** Messages are begun up to this one. */
  end = Infinity;
  readonly #bodyOf: (sequence: number) => string;
  readonly #topicOf: (sequence: number) => string;
  #client: RawClient | null = null;
  #pacing: NodeJS.Timeout | null = null;
  /** In the order they were sent. */
  #inFlight: InFlight[] = [];
  #packets = 0;
  #isStopped = false;
  /** Messages begun so far. */
  next = 0;
  /** Times each message was sent. */
  readonly sent: number[] = [];
  /** Sequence numbers, in the order of their acknowledgements. */
  readonly acked: number[] = [];
  /** Acknowledgements that no server may send: of nothing in flight, or out of order [MQTT-4.6.0-2]. */
  readonly faults: string[] = [];
  onAck: (sequence: number) => void = () => undefined;

  constructor(
    identity: KeyedIdentity,
    window: number,
    bodyOf: (sequence: number) => string,
    topicOf: (sequence: number) => string = () => `devices/${identity.deviceId}/messages/events/`,
  ) {
    this.identity = identity;
    this.window = window;
    this.#bodyOf = bodyOf;
    this.#topicOf = topicOf;
  }

  get inFlight(): number {
    return this.#inFlight.length;
  }

  /** Connects, sends again what is in flight, and goes on. Resolves when the connection has ended. */
  async run(port: number): Promise<void> {
    const client = (this.#client = new RawClient(port, this.identity, {
      onPuback: (packetId) => this.#onPuback(packetId),
    }));
    await client.connected.then(
      () => {
        const again = this.#inFlight;
        this.#inFlight = [];
        for (const { packetId, sequence } of again) this.#send(packetId, sequence, true);
        this.#fill();
        return client.closed;
      },
      () => undefined, // killed before it answered
    );
  }

  /** Begins no more messages; those in flight are still waited for. */
  stop(): void {
    this.#isStopped = true;
    if (this.#pacing !== null) clearTimeout(this.#pacing);
    this.#pacing = null;
  }

  /** After the window was made larger: goes on without waiting for an acknowledgement. */
  resume(): void {
    this.#fill();
  }

  disconnect(): void {
    this.#client?.[Symbol.dispose]();
  }

  get #mayBegin(): boolean {
    return !this.#isStopped && !this.#client!.isClosed && this.next < this.end;
  }

  #fill(): void {
    if (this.#pacing !== null) return;
    while (this.#mayBegin && this.#inFlight.length < this.window) {
      this.#send((this.#packets++ % PACKET_IDS) + 1, this.next++, false);
      if (this.paceMs > 0) return this.#pause();
    }
  }

  #pause(): void {
    this.#pacing = setTimeout(() => {
      this.#pacing = null;
      this.#fill();
    }, this.paceMs);
  }

  #send(packetId: number, sequence: number, dup: boolean): void {
    this.#inFlight.push({ packetId, sequence });
    this.sent[sequence] = (this.sent[sequence] ?? 0) + 1;
    this.#client!.publish(this.#topicOf(sequence), this.#bodyOf(sequence), packetId, dup);
  }

  #onPuback(packetId: number): void {
    const at = this.#inFlight.findIndex((message) => message.packetId === packetId);
    if (at !== 0) {
      this.faults.push(`packet ${packetId}: ${at < 0 ? "not in flight" : `overtook ${at} others`}`);
      if (at < 0) return;
    }
    const { sequence } = this.#inFlight.splice(at, 1)[0]!;
    this.acked.push(sequence);
    this.onAck(sequence);
    this.#fill();
  }
}

/** Resolves once `condition` holds; looks again every few milliseconds. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 20_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
