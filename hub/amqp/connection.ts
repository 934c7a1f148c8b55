/**
 * One AMQP 1.0 connection, from accept to close. Every byte passes the frame reader and the table of
 * performatives before anything else looks at it.
 *
 *   header ──SASL──▶ sasl ──accepted──▶ header_again ─┐
 *      └────────AMQP────────────────────────AMQP──────┴▶ opening ──OPEN──▶ open ──CLOSE, fault, close()──▶ closed
 *
 * Whatever a peer sends, the worst that happens is `closed` with one reason.
 */
import type { ShownCertificate } from "../identity/client-certificate.ts";
import type { Duplex } from "node:stream";
import type { Sweep, Swept } from "../mqtt/sweep.ts";
import { Authority } from "./authority.ts";
import { closeReason, MICROSOFTS_CLIENT, type CloseCode } from "./close-reason.ts";
import type { AmqpError, AttachFields, Codec } from "./codec.ts";
import { FrameReader, FRAME_TYPE, PROTOCOL, type FrameFault } from "./frame-reader.ts";
import type { AmqpHandler } from "./handler.ts";
import {
  AMQP_LIMITS,
  FRAME_BYTES_MAX,
  LINK_BACKLOG_BYTES_MAX,
  LINK_MESSAGE_BYTES_MAX,
  LINK_NAME_BYTES_MAX,
  LINKS_PER_SESSION_MAX,
  SENT_FRAME_BYTES_MAX,
  SESSIONS_MAX,
  INCOMING_WINDOW,
  type AmqpLimits,
} from "./limits.ts";
import { LinkService } from "./link-service.ts";
import { Outbox, type OutboxOwner } from "./outbox.ts";
import { ABSENT, PERFORMATIVE, PerformativeReader } from "./performative.ts";
import { decideSasl, mechanismsFor, SASL_OUTCOME } from "./sasl.ts";
import { putEmpty } from "./sent-frames.ts";
import { Session, type Link } from "./session.ts";
import { uintAt } from "./value.ts";

type Phase = "header" | "sasl" | "header_again" | "opening" | "open" | "closed";

const PERFORMATIVES_WHEN_OPEN: ReadonlySet<number> = new Set([
  PERFORMATIVE.BEGIN,
  PERFORMATIVE.ATTACH,
  PERFORMATIVE.FLOW,
  PERFORMATIVE.TRANSFER,
  PERFORMATIVE.DISPOSITION,
  PERFORMATIVE.DETACH,
  PERFORMATIVE.END,
  PERFORMATIVE.CLOSE,
]);
const NONE: ReadonlySet<number> = new Set();

/** What may come in which phase. */
const MAY_COME: Readonly<Record<Phase, ReadonlySet<number>>> = {
  header: NONE,
  sasl: new Set([PERFORMATIVE.SASL_INIT]),
  header_again: NONE,
  opening: new Set([PERFORMATIVE.OPEN]),
  open: PERFORMATIVES_WHEN_OPEN,
  closed: NONE,
};

const FRAME_SIZE_MIN = 512;
const protocolHeader = (protocol: number): Buffer => Buffer.from([0x41, 0x4d, 0x51, 0x50, protocol, 1, 0, 0]);

/** One at a time, and never across a call that could read another. */
const performative = new PerformativeReader();

export interface AmqpPeer {
  readonly remoteAddress: string;
  readonly isSecure: boolean;
  /** What TLS has shown; not verified yet. */
  readonly certificate: ShownCertificate | null;
}

export class AmqpConnection extends FrameReader implements Swept, OutboxOwner {
  readonly peer: AmqpPeer;
  readonly outbox: Outbox;
  /** Who has shown what they are. */
  readonly authority: Authority;
  /** Empty until OPEN. */
  containerId = "";
  sentFrameBytesMax = SENT_FRAME_BYTES_MAX;
  #isMicrosofts = false;

  readonly #stream: Duplex;
  readonly #handler: AmqpHandler;
  readonly #codec: Codec;
  readonly #sweep: Sweep;
  readonly #limits: AmqpLimits;
  readonly #links: LinkService;
  readonly #sessions = new Map<number, Session>();
  #phase: Phase = "header";
  #linkCount = 0;
  #partialBytes = 0;
  #wasBacklogged = false;
  /** The connection expires when more than `allowedTicks` have passed since tick `since`. */
  #since: number;
  #allowedTicks: number;
  #openedTick = 0;
  #sentTick = 0;
  /** 0 = the peer asks for no signs of life. */
  #heartbeatTicks = 0;

  /** `stream`: owned by the connection from here on. Its bytes come by `push`. */
  constructor(
    stream: Duplex,
    peer: AmqpPeer,
    handler: AmqpHandler,
    codec: Codec,
    sweep: Sweep,
    limits: AmqpLimits = AMQP_LIMITS,
  ) {
    super();
    this.#stream = stream;
    this.peer = peer;
    this.#handler = handler;
    this.#codec = codec;
    this.#sweep = sweep;
    this.#limits = limits;
    this.#since = sweep.tick;
    this.#allowedTicks = sweep.ticks(limits.openTimeoutMs);
    this.authority = new Authority(handler, (identity, expiresMs, by) =>
      handler.onShown(this, identity, expiresMs, by),
    );
    this.#links = new LinkService(this, handler);
    this.outbox = new Outbox(stream, limits.backlogBytesMax, this);
    stream.on("error", () => this.#drop("socket_error"));
    stream.on("end", () => this.#linger("connection_lost"));
    stream.on("close", () => this.#onStreamClose());
    sweep.add(this);
  }

  get isOpen(): boolean {
    return this.#phase === "open";
  }

  get backlogBytes(): number {
    return this.outbox.backlogBytes;
  }

  sessions(): Iterable<Session> {
    return this.#sessions.values();
  }

  // ---- From the client ----

  override push(bytes: Buffer, from: number, to: number): void {
    if (this.#phase === "open") this.#since = this.#sweep.tick;
    super.push(bytes, from, to);
  }

  protected onHeader(protocol: number): void {
    if (protocol === PROTOCOL.AMQP) {
      this.#phase = "opening";
      this.frameType = FRAME_TYPE.AMQP;
      this.outbox.put(protocolHeader(PROTOCOL.AMQP));
    } else if (protocol === PROTOCOL.SASL && this.#phase === "header") {
      this.#phase = "sasl";
      this.frameType = FRAME_TYPE.SASL;
      this.outbox.put(protocolHeader(PROTOCOL.SASL));
      this.outbox.put(this.#codec.saslMechanisms(mechanismsFor(this.peer.certificate !== null)));
    } else this.onFrameFault("header_unknown");
  }

  protected onFrameFault(fault: FrameFault): void {
    // Who speaks another protocol is told which one we speak (AMQP 2.2).
    if (fault === "header_unknown") this.outbox.put(protocolHeader(PROTOCOL.AMQP));
    this.#linger(this.#phase === "sasl" ? "sasl_malformed" : fault);
  }

  protected onFrame(channel: number, bytes: Buffer, from: number, to: number): void {
    if (from === to) {
      if (this.#phase === "sasl") this.#linger("sasl_malformed");
      return; // a sign of life
    }
    if (!performative.read(bytes, from, to)) {
      return this.#linger(this.#phase === "sasl" ? "sasl_malformed" : "performative_malformed");
    }
    const { code, end } = performative;
    const mayHavePayload = code === PERFORMATIVE.TRANSFER;
    if (!MAY_COME[this.#phase].has(code)) return this.#linger("performative_unexpected");
    if (end !== to && !mayHavePayload) return this.#linger("performative_malformed");
    if (code === PERFORMATIVE.SASL_INIT) return this.#onSaslInit(bytes, from, to);
    if (code === PERFORMATIVE.OPEN) return this.#onOpen(bytes, from, to);
    if (code === PERFORMATIVE.CLOSE) return this.#linger("closed");
    if (code === PERFORMATIVE.BEGIN) return this.#onBegin(channel, bytes);
    const session = this.#sessions.get(channel);
    const fault = session === undefined ? "channel_unknown" : this.#onSession(session, code, bytes, from, to);
    if (fault !== null) this.#linger(fault);
  }

  #onSession(session: Session, code: number, bytes: Buffer, from: number, to: number): CloseCode | null {
    switch (code) {
      case PERFORMATIVE.TRANSFER:
        return session.onTransfer(performative, bytes, to);
      case PERFORMATIVE.DISPOSITION:
        return session.onDisposition(performative, bytes);
      case PERFORMATIVE.FLOW:
        return session.onFlow(performative, bytes);
      case PERFORMATIVE.ATTACH:
        return this.#onAttach(session, this.#codec.decodeAttach(bytes, from, to));
      case PERFORMATIVE.DETACH:
        return session.onDetach(uintAt(bytes, performative.places[0]!, 0));
      default:
        return this.#onEnd(session);
    }
  }

  #onSaslInit(bytes: Buffer, from: number, to: number): void {
    const claim = decideSasl(this.#codec.decodeSaslInit(bytes, from, to), this.peer.certificate !== null);
    const why = claim.kind === "token" ? this.authority.show(claim.identity, claim.token) : null;
    const text = claim.kind === "refused" ? claim.text : why;
    this.outbox.put(this.#codec.saslOutcome(text === null ? SASL_OUTCOME.OK : SASL_OUTCOME.AUTH));
    if (text !== null) {
      this.#handler.onTrouble(this, `refused: ${text}`);
      return this.#linger("refused");
    }
    this.#phase = "header_again";
    this.expectHeader();
  }

  #onOpen(bytes: Buffer, from: number, to: number): void {
    const open = this.#codec.decodeOpen(bytes, from, to);
    const { certificate } = this.peer;
    const isHasty = open.idleTimeoutMs > 0 && open.idleTimeoutMs < this.#limits.idleTimeoutMsMin;
    this.containerId = open.containerId.slice(0, LINK_NAME_BYTES_MAX);
    this.#phase = "open";
    this.frameBytesMax = FRAME_BYTES_MAX;
    this.outbox.put(
      this.#codec.open({
        containerId: "sandpiper",
        maxFrameSize: FRAME_BYTES_MAX,
        channelMax: SESSIONS_MAX - 1,
        idleTimeoutMs: this.#limits.idleTimeoutMs / 2,
      }),
    );
    if (open.maxFrameSize < FRAME_SIZE_MIN) return this.#linger("frame_size_too_small");
    if (isHasty) return this.#linger("idle_timeout_too_short");
    this.sentFrameBytesMax = Math.min(open.maxFrameSize, SENT_FRAME_BYTES_MAX);
    this.#heartbeatTicks = Math.floor(open.idleTimeoutMs / 2 / this.#sweep.tickMs);
    this.#allow(this.#sweep.ticks(this.#limits.idleTimeoutMs));
    this.#openedTick = this.#sweep.tick;
    if (certificate !== null) this.authority.showCertificate(certificate);
  }

  #onBegin(channel: number, bytes: Buffer): void {
    const { places } = performative;
    if (places[0] !== ABSENT) return this.#linger("performative_unexpected"); // answers a BEGIN we never sent
    if (channel >= SESSIONS_MAX) return this.#linger("sessions_too_many");
    if (this.#sessions.has(channel)) return this.#linger("channel_in_use");
    const session = new Session(this, channel, uintAt(bytes, places[1]!, 0), uintAt(bytes, places[2]!, 0));
    this.#sessions.set(channel, session);
    this.outbox.put(this.#codec.begin(channel, INCOMING_WINDOW, LINKS_PER_SESSION_MAX - 1));
  }

  #onEnd(session: Session): null {
    session.flush();
    session.end();
    this.#sessions.delete(session.channel);
    this.outbox.put(this.#codec.end(session.channel));
    return null;
  }

  #onAttach(session: Session, attach: AttachFields): CloseCode | null {
    if (this.#linkCount >= this.authority.linksMax || attach.name.length > LINK_NAME_BYTES_MAX)
      return "links_too_many";
    const link = session.add(attach);
    if (typeof link === "string") return link;
    this.#linkCount++;
    if (attach.properties.has(MICROSOFTS_CLIENT)) this.#isMicrosofts = true;
    // Before the handler speaks on the link: what it sends has to come behind our half of ATTACH.
    const error = this.#links.admission(link);
    const isRefused = error !== null;
    this.outbox.put(this.#codec.attach(session.channel, attach, LINK_MESSAGE_BYTES_MAX, isRefused));
    const refusal = error ?? this.#links.serve(link);
    if (refusal !== null) session.detach(link, refusal);
    return null;
  }

  // ---- For sessions and links ----

  putDetach(session: Session, link: Link, error: AmqpError | null): void {
    this.outbox.put(this.#codec.detach(session.channel, link.handle, error));
  }

  linkGone(): void {
    this.#linkCount--;
  }

  /** Bytes of unfinished messages, more or fewer. `false`: too many. */
  holdPartial(bytes: number): boolean {
    this.#partialBytes += bytes;
    return this.#partialBytes <= this.authority.partialBytesMax;
  }

  /** An identity is no longer what it showed. The connection ends with the last one. */
  revoke(name: string, error: AmqpError, code: CloseCode): void {
    this.authority.forget(name);
    if (this.authority.isEmpty) return this.#linger(code);
    for (const session of this.#sessions.values()) {
      for (const link of session.links()) if (link.identity === name) session.detach(link, error);
    }
  }

  close(code: CloseCode): void {
    this.#linger(code);
  }

  // ---- Time, output, end ----

  onFlush(): void {
    if (this.#phase === "closed") return;
    for (const session of this.#sessions.values()) session.flush();
    const isBacklogged = this.backlogBytes >= LINK_BACKLOG_BYTES_MAX;
    const hasDrained = this.#wasBacklogged && !isBacklogged;
    this.#wasBacklogged = isBacklogged;
    if (hasDrained) for (const session of this.#sessions.values()) session.resume();
  }

  onOverflow(): void {
    this.#drop("slow_reader");
  }

  /** Called by the sweep. */
  onTick(tick: number): void {
    if (tick - this.#since > this.#allowedTicks) return this.#expire();
    if (this.#phase !== "open") return;
    const authTicks = this.#sweep.ticks(this.#limits.authTimeoutMs);
    if (this.authority.isEmpty && tick - this.#openedTick > authTicks) return this.#linger("unauthorized");
    if (this.outbox.hasSent) {
      this.outbox.hasSent = false;
      this.#sentTick = tick;
    } else if (this.#heartbeatTicks > 0 && tick - this.#sentTick >= this.#heartbeatTicks)
      putEmpty(this.outbox);
  }

  #expire(): void {
    if (this.#phase === "closed") this.#stream.destroy();
    else this.#linger(this.#phase === "open" ? "idle_timeout" : "open_timeout");
  }

  #allow(ticks: number): void {
    this.#since = this.#sweep.tick;
    this.#allowedTicks = ticks;
  }

  /** Closes now. */
  #drop(code: CloseCode): void {
    if (this.#phase === "closed") return;
    this.#enterClosed(code, false);
    this.#stream.destroy();
  }

  /** Closes once the peer has read our last words, or after `lingerMs`; what it still sends is ignored. */
  #linger(code: CloseCode): void {
    if (this.#phase === "closed") return;
    // AMQP has no frame to say why before OPEN.
    this.#enterClosed(code, this.#phase === "open");
    this.#allow(this.#sweep.ticks(this.#limits.lingerMs));
    this.#stream.end();
    this.#stream.resume();
  }

  #enterClosed(code: CloseCode, saysWhy: boolean): void {
    const reason = closeReason(code, this.#isMicrosofts);
    if (saysWhy) this.#endSessions();
    this.#phase = "closed";
    this.endReading();
    if (saysWhy) {
      const { condition, text } = reason;
      this.outbox.put(this.#codec.close(condition === null ? null : { condition, description: text }));
    }
    if (code === "slow_reader") this.outbox.close();
    else this.outbox.finish();
    for (const session of this.#sessions.values()) session.end();
    this.#sessions.clear();
    process.nextTick(() => this.#handler.onClose(this, reason));
  }

  /** Before CLOSE: Microsoft's SDK waits 45 s for an answer on each link that a CLOSE took with it. */
  #endSessions(): void {
    for (const session of this.#sessions.values()) {
      session.flush();
      this.outbox.put(this.#codec.end(session.channel));
    }
  }

  #onStreamClose(): void {
    this.#drop("connection_lost");
    this.#sweep.delete(this);
  }
}
