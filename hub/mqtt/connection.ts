/**
 * One MQTT 3.1.1 connection, from accept to close: bytes to packets to handler calls, and back. PUBLISH,
 * PUBACK and PINGREQ are read by hand and allocate nothing; everything rare goes through mqtt-packet.
 *
 *   awaiting_connect ──CONNECT──▶ awaiting_verdict ──connack(0)──▶ open
 *          └──────────────┴─────────────┴── any fault, end, timeout, close() ──▶ closed
 *
 * Whatever a peer sends, the worst that happens is `closed` with one reason.
 */
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { MESSAGE_BYTES_MAX } from "../../abi/index.ts";
import { closeReason, type CloseCode } from "./close-reason.ts";
import { decodeConnect, decodeSubscribe, decodeUnsubscribe } from "./control-packet.ts";
import { shownCertificateOf, type ShownCertificate } from "../identity/shown-certificate.ts";
import { headerFault, PACKET, PUBLISH_BIT } from "./fixed-header.ts";
import { PacketFramer } from "./framer.ts";
import { CONNACK, type ConnackCode, type MqttHandler, type PublishFlags, type Will } from "./handler.ts";
import { MQTT_LIMITS, type MqttLimits } from "./limits.ts";
import { Outbox } from "./outbox.ts";
import { readFrom } from "./read-loop.ts";
import type { Sweep, Swept } from "./sweep.ts";
import { TopicCache } from "./topic-cache.ts";
import { readTopicName } from "./topic-name.ts";

const KEEP_ALIVE_FACTOR_MS = 1_500;

type Phase = "awaiting_connect" | "awaiting_verdict" | "open" | "closed";

const publishFlags = (dup: boolean, retain: boolean): PublishFlags => Object.freeze({ dup, retain });
/** By the two bits of a PUBLISH header, so that no message needs an object of its own. */
const FLAGS = [publishFlags(false, false), publishFlags(false, true)] as const;
const FLAGS_DUP = [publishFlags(true, false), publishFlags(true, true)] as const;

/** Who is at the other end of the stream. */
export interface MqttPeer {
  readonly remoteAddress: string;
  readonly isSecure: boolean;
  /** What TLS has shown; not verified yet. */
  readonly certificate: ShownCertificate | null;
}

const peerOf = (stream: Duplex): MqttPeer => ({
  remoteAddress: (stream instanceof Socket ? stream.remoteAddress : undefined) ?? "",
  isSecure: stream instanceof TLSSocket,
  certificate: shownCertificateOf(stream),
});

export class MqttConnection<Session, Plan> extends PacketFramer implements Swept {
  /** The handler's own; the connection never looks at it. */
  session: Session | null = null;
  /** Empty until CONNECT. */
  clientId = "";
  readonly remoteAddress: string;
  readonly isSecure: boolean;

  readonly #shown: ShownCertificate | null;
  readonly #socket: Duplex;
  readonly #handler: MqttHandler<Session, Plan>;
  readonly #sweep: Sweep;
  readonly #limits: MqttLimits;
  readonly #outbox: Outbox;
  #phase: Phase = "awaiting_connect";
  #isPaused = false;
  /** The framer is on the stack: it sees a change of `flowing` by itself. */
  #isFraming = false;
  #isDrainScheduled = false;
  #topics: TopicCache<Plan> | null = null;
  #will: Will | null = null;
  #keepAliveTicks = 0;
  /** The connection expires when more than `allowedTicks` have passed since tick `since`. */
  #since: number;
  #allowedTicks: number;

  /** `socket`: as accepted, see `readFrom`. Owned by the connection from here on. Begins to read at once. */
  constructor(
    socket: Duplex,
    handler: MqttHandler<Session, Plan>,
    sweep: Sweep,
    limits: MqttLimits = MQTT_LIMITS,
    { remoteAddress, isSecure, certificate }: MqttPeer = peerOf(socket),
  ) {
    super();
    this.#handler = handler;
    this.#sweep = sweep;
    this.#limits = limits;
    this.#since = sweep.tick;
    this.#allowedTicks = sweep.ticks(limits.connectTimeoutMs);
    this.remoteAddress = remoteAddress;
    this.isSecure = isSecure;
    this.#shown = certificate;
    this.#socket = readFrom(socket, (bytes, length) => this.#onRead(bytes, length));
    this.#outbox = new Outbox(this.#socket, limits.backlogBytesMax, () => this.#drop("slow_reader"));
    this.#socket.on("error", () => this.#drop("socket_error"));
    this.#socket.on("end", () => this.#linger("connection_lost"));
    this.#socket.on("close", () => this.#onSocketClose());
    sweep.add(this);
    this.#socket.resume();
  }

  get isOpen(): boolean {
    return this.#phase === "open";
  }

  /** What TLS has shown; not verified yet. */
  shownCertificate(): ShownCertificate | null {
    return this.#shown;
  }

  /** Bytes given to this connection that the peer's side of the network has not taken yet. */
  get writableBacklogBytes(): number {
    return this.#outbox.backlogBytes;
  }

  // ---- To the client. Each of these does nothing once the connection is closed. ----

  /** The verdict on CONNECT. Any other than ACCEPTED also closes the connection [MQTT-3.2.2-5]. */
  connack(code: ConnackCode, isSessionPresent = false): void {
    if (this.#phase !== "awaiting_verdict") return;
    const isAccepted = code === CONNACK.ACCEPTED;
    this.#outbox.short(PACKET.CONNACK << 4, 2, isAccepted && isSessionPresent ? 1 : 0, code); // [MQTT-3.2.2-4]
    if (!isAccepted) return this.#linger("refused");
    this.#phase = "open";
    this.#allow(this.#keepAliveTicks);
    this.#updateFlow();
  }

  puback(packetId: number): void {
    this.#outbox.short(PACKET.PUBACK << 4, 2, packetId >> 8, packetId & 255);
  }

  /**
   * One message, RETAIN 0. Topic and body `source[from, to)` are copied. `topic`: at most `TOPIC_BYTES_MAX`
   * bytes. QoS 0 has no packet id.
   */
  publish(
    topic: Uint8Array,
    source: Buffer,
    from: number,
    to: number,
    qos: 0 | 1,
    packetId: number,
    dup = false,
  ): void {
    this.#outbox.publish(topic, source, from, to, qos, packetId, dup);
  }

  /** `codes`: 0 or 1 granted, 128 refused, one per request. */
  suback(packetId: number, codes: readonly number[]): void {
    this.#outbox.suback(packetId, codes);
  }

  unsuback(packetId: number): void {
    this.#outbox.short(PACKET.UNSUBACK << 4, 2, packetId >> 8, packetId & 255);
  }

  /** Ends the connection; what was sent before still goes out, if the peer reads it within `lingerMs`. */
  close(code: CloseCode): void {
    this.#linger(code);
  }

  // ---- From the client ----

  /**
   * Takes no further packet until `resume()`: neither acknowledgements nor pings, so not for long. What had
   * been read is kept, at most `READ_BYTES` and one packet; keep-alive rests meanwhile.
   */
  pause(): void {
    if (this.#isPaused || this.#phase === "closed") return;
    this.#isPaused = true;
    if (this.#phase === "open") this.#allow(this.#sweep.ticks(this.#limits.pausedMsMax));
    this.#updateFlow();
  }

  /** Goes on where `pause()` stopped. The handler is not called before this returns. */
  resume(): void {
    if (!this.#isPaused || this.#phase === "closed") return;
    this.#isPaused = false;
    if (this.#phase === "open") this.#allow(this.#keepAliveTicks);
    this.#updateFlow();
  }

  /** Has every topic go through `onTopic` again: what its plan was made from has changed. */
  forgetTopics(): void {
    this.#topics?.clear();
  }

  /** Called by the sweep. */
  onTick(tick: number): void {
    if (tick - this.#since <= this.#allowedTicks) return;
    if (this.#phase === "closed") this.#socket.destroy();
    else if (this.#phase !== "open") this.#drop("connect_timeout");
    else this.#drop(this.#isPaused ? "stalled" : "keep_alive_timeout");
  }

  /** A method, since a handler may have closed the connection between two looks at it. */
  #isClosed(): boolean {
    return this.#phase === "closed";
  }

  #allow(ticks: number): void {
    this.#since = this.#sweep.tick;
    this.#allowedTicks = ticks;
  }

  #onRead(bytes: Buffer, length: number): void {
    if (this.#isClosed()) return;
    if (this.#phase === "open") this.#since = this.#sweep.tick;
    this.#isFraming = true;
    this.push(bytes, 0, length);
    this.#isFraming = false;
    if (!this.flowing && !this.#isClosed()) this.#socket.pause();
  }

  /** Reading follows `flowing`, here or, when the framer is on the stack, in `#onRead`. */
  #updateFlow(): void {
    this.flowing = !this.#isPaused && (this.#phase === "awaiting_connect" || this.#phase === "open");
    if (this.#isFraming) return;
    if (!this.flowing) this.#socket.pause();
    else if (!this.#isDrainScheduled) {
      this.#isDrainScheduled = true;
      process.nextTick(() => this.#drainHeld());
    }
  }

  #drainHeld(): void {
    this.#isDrainScheduled = false;
    if (!this.flowing) return;
    this.#isFraming = true;
    this.drain();
    this.#isFraming = false;
    if (this.flowing) this.#socket.resume();
  }

  protected admit(header: number, remaining: number): boolean {
    const fault = headerFault(header, remaining, this.#phase !== "awaiting_connect");
    if (fault === null) return true;
    this.#drop(fault);
    return false;
  }

  protected onPacket(header: number, bytes: Buffer, from: number, to: number): void {
    switch (header >> 4) {
      case PACKET.PUBLISH:
        return this.#onPublish(header, bytes, from, to);
      case PACKET.PUBACK:
        return this.#onPuback((bytes[from]! << 8) | bytes[from + 1]!);
      case PACKET.PINGREQ:
        return this.#outbox.short(PACKET.PINGRESP << 4, 0, 0, 0); // [MQTT-3.12.4-1]
      case PACKET.CONNECT:
        return this.#onConnect(bytes, from, to);
      case PACKET.SUBSCRIBE:
        return this.#onSubscribe(bytes, from, to);
      case PACKET.UNSUBSCRIBE:
        return this.#onUnsubscribe(bytes, from, to);
      case PACKET.DISCONNECT:
        return this.#linger("disconnect");
    }
  }

  #onPublish(header: number, bytes: Buffer, from: number, to: number): void {
    const qos = (header >> 1) & 3;
    const dup = (header & PUBLISH_BIT.DUP) !== 0;
    if (qos > 1) return this.#drop(qos === 2 ? "qos_unsupported" : "publish_malformed"); // [MQTT-3.3.1-4]
    if (dup && qos === 0) return this.#drop("publish_malformed"); // [MQTT-3.3.1-2]
    const topicFrom = from + 2;
    if (topicFrom > to) return this.#drop("publish_malformed");
    const topicTo = topicFrom + ((bytes[from]! << 8) | bytes[from + 1]!);
    const body = qos === 0 ? topicTo : topicTo + 2;
    if (body > to) return this.#drop("publish_malformed");
    const packetId = qos === 0 ? 0 : (bytes[topicTo]! << 8) | bytes[topicTo + 1]!;
    if (qos === 1 && packetId === 0) return this.#drop("packet_id_zero"); // [MQTT-2.3.1-1]
    if (to - body > MESSAGE_BYTES_MAX) return this.#drop("packet_too_large");

    const flags = (dup ? FLAGS_DUP : FLAGS)[header & PUBLISH_BIT.RETAIN]!;
    const known = this.#topics?.find(bytes, topicFrom, topicTo) ?? null;
    if (known !== null) {
      this.#handler.onPublish(this, known.plan, bytes, body, to, qos, packetId, flags);
      return;
    }
    const topic = readTopicName(bytes, topicFrom, topicTo);
    if (topic === null) return this.#drop("topic_malformed");
    const plan = this.#handler.onTopic(this, topic);
    if (this.#phase !== "open") return;
    this.#topics ??= new TopicCache();
    this.#topics.remember(bytes, topicFrom, topicTo, plan);
    this.#handler.onPublish(this, plan, bytes, body, to, qos, packetId, flags);
  }

  #onPuback(packetId: number): void {
    if (packetId === 0) return this.#drop("packet_id_zero");
    this.#handler.onPuback(this, packetId);
  }

  #onConnect(bytes: Buffer, from: number, to: number): void {
    const decoded = decodeConnect(bytes, from, to);
    if ("fault" in decoded) return this.#refuseConnect(decoded.fault);
    const request = decoded.value;
    const patienceMs = request.keepAliveSecs * KEEP_ALIVE_FACTOR_MS || Infinity;
    this.#keepAliveTicks = this.#sweep.ticks(Math.min(patienceMs, this.#limits.keepAliveMsMax));
    this.clientId = request.clientId;
    this.#will = request.will;
    this.#phase = "awaiting_verdict"; // what follows waits for it [MQTT-3.1.4-5]
    this.#updateFlow();
    this.#handler.onConnect(this, request);
  }

  #refuseConnect(fault: CloseCode): void {
    if (fault !== "protocol_unsupported") return this.#drop(fault);
    this.#outbox.short(PACKET.CONNACK << 4, 2, 0, CONNACK.UNACCEPTABLE_PROTOCOL); // [MQTT-3.1.2-2]
    this.#linger(fault);
  }

  #onSubscribe(bytes: Buffer, from: number, to: number): void {
    const decoded = decodeSubscribe(bytes, from, to);
    if ("fault" in decoded) return this.#drop(decoded.fault);
    this.#handler.onSubscribe(this, decoded.value.packetId, decoded.value.requests);
  }

  #onUnsubscribe(bytes: Buffer, from: number, to: number): void {
    const decoded = decodeUnsubscribe(bytes, from, to);
    if ("fault" in decoded) return this.#drop(decoded.fault);
    this.#handler.onUnsubscribe(this, decoded.value.packetId, decoded.value.filters);
  }

  /** Closes now. What the kernel takes at once of our last words still goes out. */
  #drop(code: CloseCode): void {
    if (this.#phase === "closed") return;
    this.#enterClosed(code);
    this.#socket.destroy();
  }

  /**
   * Closes once the peer has read our last words, or after `lingerMs`. Goes on reading, and ignoring: closing
   * over unread bytes resets the connection, and the peer would lose the CONNACK that says why.
   */
  #linger(code: CloseCode): void {
    if (this.#phase === "closed") return;
    this.#enterClosed(code);
    this.#allow(this.#sweep.ticks(this.#limits.lingerMs));
    this.#socket.end();
    this.#socket.resume();
  }

  #enterClosed(code: CloseCode): void {
    const wasOpen = this.#phase === "open";
    this.#phase = "closed";
    this.endFraming();
    if (code === "slow_reader") this.#outbox.close();
    else this.#outbox.finish();
    const reason = closeReason(code);
    const will = wasOpen && !reason.graceful ? this.#will : null; // [MQTT-3.1.2-8] [MQTT-3.1.2-10]
    this.#will = null;
    this.#topics = null;
    process.nextTick(() => this.#handler.onClose(this, reason, will));
  }

  #onSocketClose(): void {
    this.#drop("connection_lost");
    this.#sweep.delete(this);
  }
}
