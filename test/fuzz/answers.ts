/**
 * What the hub says to a stream: read by codecs that are not the hub's own, counted by what it means, and a fault when
 * it is no MQTT, AMQP or HTTP at all. Whatever a peer has sent, an answer has to be well-formed.
 */
import { parser, type Packet } from "mqtt-packet";
import frames from "rhea/lib/frames.js";
import type { Wire } from "./stream.ts";

/** How far a stream got, as its answers tell. */
export const DEPTHS = [
  "let in",
  "subscribed",
  "attached",
  "accepted",
  "refused",
  "delivered",
  "asked",
  "answered",
  "upgraded",
] as const;
export type Depth = (typeof DEPTHS)[number];

export interface Answers {
  readonly seen: ReadonlySet<Depth>;
  /** What of it is not well-formed. */
  readonly fault: string | null;
  push(bytes: Buffer): void;
}

export function answersOf(wire: Wire): Answers {
  switch (wire) {
    case "mqtt":
      return new MqttAnswers();
    case "amqp":
      return new AmqpAnswers();
    case "web-mqtt":
      return new WebAnswers(new MqttAnswers());
    case "web-amqp":
      return new WebAnswers(new AmqpAnswers());
    case "http":
      return new WebAnswers(null);
    case "tls":
      return new TlsAnswers();
  }
}

class MqttAnswers implements Answers {
  readonly seen = new Set<Depth>();
  fault: string | null = null;
  readonly #parser = parser({ protocolVersion: 4 });

  constructor() {
    this.#parser.on("packet", (packet: Packet) => this.#onPacket(packet));
    this.#parser.on("error", (error: Error) => (this.fault ??= `MQTT: ${error.message}`));
  }

  push(bytes: Buffer): void {
    try {
      this.#parser.parse(bytes);
    } catch (error) {
      this.fault ??= `MQTT: ${String(error)}`;
    }
  }

  #onPacket(packet: Packet): void {
    switch (packet.cmd) {
      case "connack":
        if (packet.returnCode === 0) this.seen.add("let in");
        return;
      case "suback":
        return void this.seen.add("subscribed");
      case "puback":
        return void this.seen.add("accepted");
      case "publish": {
        const { topic } = packet;
        const isAnswer = topic.startsWith("$iothub/twin/res/");
        return void this.seen.add(
          isAnswer ? "answered" : topic.startsWith("$iothub/") ? "asked" : "delivered",
        );
      }
      case "pingresp":
      case "unsuback":
        return;
      default:
        this.fault ??= `MQTT: a server sent ${packet.cmd}`;
    }
  }
}

const AMQP = {
  OPEN: 0x10,
  ATTACH: 0x12,
  TRANSFER: 0x14,
  DISPOSITION: 0x15,
  CLOSE: 0x18,
  SASL_OUTCOME: 0x44,
} as const;
const ACCEPTED = 0x24;
const FRAME_BYTES_MAX = 65_536;

class AmqpAnswers implements Answers {
  readonly seen = new Set<Depth>();
  fault: string | null = null;
  #held = Buffer.alloc(0);

  push(bytes: Buffer): void {
    this.#held = Buffer.concat([this.#held, bytes]);
    while (this.#held.length >= 8 && this.fault === null) {
      const isHeader = this.#held.toString("latin1", 0, 4) === "AMQP";
      const size = isHeader ? 8 : this.#held.readUInt32BE(0);
      if (size < 8 || size > FRAME_BYTES_MAX) this.fault = `AMQP: a frame of ${size} bytes`;
      if (this.#held.length < size) return;
      if (!isHeader && size > 8) this.#onFrame(this.#held.subarray(0, size));
      this.#held = this.#held.subarray(size);
    }
  }

  #onFrame(frame: Buffer): void {
    let performative: { readonly [field: string]: unknown };
    try {
      performative = frames.read_frame(Buffer.from(frame))!.performative;
    } catch (error) {
      this.fault = `AMQP: ${String(error)}: ${frame.toString("hex").slice(0, 80)}`;
      return;
    }
    switch (frame[10]) {
      case AMQP.SASL_OUTCOME:
        if (performative["code"] === 0) this.seen.add("let in");
        return;
      case AMQP.ATTACH:
        return void this.seen.add(isHalf(performative) ? "refused" : "attached");
      case AMQP.TRANSFER:
        return void this.seen.add("delivered");
      case AMQP.DISPOSITION:
        if (performative["role"] === true) this.seen.add(isAccepted(performative) ? "accepted" : "refused");
    }
  }
}

/** An ATTACH without the terminus that would be the hub's: refused (AMQP 2.6.3). */
const isHalf = ({ role, source, target }: { readonly [field: string]: unknown }): boolean =>
  (role === true ? target : source) === undefined;

const isAccepted = ({ state }: { readonly [field: string]: unknown }): boolean =>
  (state as { descriptor?: { value: unknown } } | undefined)?.descriptor?.value === ACCEPTED;

const HEAD_END = "\r\n\r\n";
const STATUS_LINE = /^HTTP\/1\.1 (\d{3}) /;
const SWITCHED = "101";
const FAILED = "500";

/** HTTP up to an upgrade, then frames with what is inside; `null`: nothing is, only responses come. */
class WebAnswers implements Answers {
  readonly seen = new Set<Depth>();
  fault: string | null = null;
  readonly #inner: Answers | null;
  #held = Buffer.alloc(0);
  #isUpgraded = false;
  #isLast = false;
  /** Bytes of a body that are still to come. */
  #skip = 0;

  constructor(inner: Answers | null) {
    this.#inner = inner;
  }

  push(bytes: Buffer): void {
    const skipped = Math.min(this.#skip, bytes.length);
    this.#skip -= skipped;
    this.#held = Buffer.concat([this.#held, bytes.subarray(skipped)]);
    if (this.#isUpgraded) this.#takeFrames();
    else this.#takeResponses();
  }

  #takeResponses(): void {
    for (
      let end = this.#held.indexOf(HEAD_END);
      end >= 0 && !this.#isLast;
      end = this.#held.indexOf(HEAD_END)
    ) {
      const head = this.#held.toString("latin1", 0, end);
      const status = STATUS_LINE.exec(head)?.[1];
      if (status === undefined || status === FAILED)
        return void (this.fault ??= `HTTP: ${head.slice(0, 80)}`);
      // What follows the last one is its body, of whatever form.
      this.#isLast = /\r\nconnection: close/i.test(head);
      this.#held = this.#held.subarray(end + HEAD_END.length);
      if (status === SWITCHED) return this.#onUpgrade();
      this.seen.add("answered");
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
      // Of a HEAD no body follows.
      if (STATUS_LINE.test(this.#held.toString("latin1", 0, 16))) continue;
      this.#skip = Math.max(0, length - this.#held.length);
      this.#held = this.#held.subarray(length);
    }
  }

  #onUpgrade(): void {
    this.seen.add("upgraded");
    this.#isUpgraded = true;
    this.#takeFrames();
  }

  #takeFrames(): void {
    for (;;) {
      const held = this.#held;
      if (held.length < 2) return;
      const short = held[1]! & 127;
      const head = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (held.length < head) return;
      const length = short < 126 ? short : short === 126 ? held.readUInt16BE(2) : held.readUInt32BE(6);
      if ((held[1]! & 128) !== 0) return void (this.fault ??= "WebSocket: a server masks");
      if (held.length < head + length) return;
      const body = held.subarray(head, head + length);
      this.#held = held.subarray(head + length);
      if ((held[0]! & 15) <= 2) this.#onMessage(body);
    }
  }

  #onMessage(body: Buffer): void {
    const inner = this.#inner;
    if (inner === null) return;
    inner.push(Buffer.from(body));
    for (const depth of inner.seen) this.seen.add(depth);
    this.fault ??= inner.fault;
  }
}

const TLS_RECORDS: ReadonlySet<number> = new Set([20, 21, 22, 23]);

/** Only that a record answers: nobody decrypts it here. */
class TlsAnswers implements Answers {
  readonly seen = new Set<Depth>();
  fault: string | null = null;

  push(bytes: Buffer): void {
    if (this.seen.size === 0 && !TLS_RECORDS.has(bytes[0]!))
      this.fault = `TLS: ${bytes.toString("hex", 0, 8)}`;
    this.seen.add("answered");
  }
}
