/**
 * rhea's codec, for the frames that are rare: those that open, attach and close. What it decodes has passed
 * `PerformativeReader`; what comes out is checked again for type, and copied into objects of ours. Transfers,
 * flows and dispositions are read and written by hand, and cost it nothing.
 */
import { FRAME_TYPE } from "./frame-reader.ts";
import { ADDRESS_CHARACTERS_MAX, LINK_PROPERTY_CHARACTERS_MAX } from "./limits.ts";

export interface AmqpError {
  readonly condition: string;
  readonly description: string;
}

export interface OpenFields {
  readonly containerId: string;
  readonly hostName: string | null;
  readonly maxFrameSize: number;
  readonly channelMax: number;
  /** 0 = none. */
  readonly idleTimeoutMs: number;
}

export interface AttachFields {
  readonly name: string;
  readonly handle: number;
  /** The client receives: the link is one we send on. */
  readonly isReceiver: boolean;
  readonly senderSettleMode: number;
  readonly receiverSettleMode: number;
  readonly source: string | null;
  readonly target: string | null;
  readonly initialDeliveryCount: number;
  readonly maxMessageSize: number;
  readonly properties: ReadonlyMap<string, string>;
}

export interface SaslInit {
  readonly mechanism: string;
  readonly response: Buffer | null;
}

/** Values of one link's property map that are looked at; further ones are ignored. */
const PROPERTIES_MAX = 32;

type Frames = (typeof import("rhea/lib/frames.js"))["default"];
type Termini = (typeof import("rhea/lib/terminus.js"))["default"];

export class Codec {
  readonly #frames: Frames;
  readonly #termini: Termini;

  private constructor(frames: Frames, termini: Termini) {
    this.#frames = frames;
    this.#termini = termini;
  }

  /** Loaded when the first listener opens, since a gateway without AMQP should not carry it. */
  static async load(): Promise<Codec> {
    const frames = await import("rhea/lib/frames.js");
    const termini = await import("rhea/lib/terminus.js");
    return new Codec(frames.default, termini.default);
  }

  #decode(type: number, bytes: Buffer, from: number, to: number): { readonly [field: string]: unknown } {
    const frame = Buffer.allocUnsafe(8 + to - from);
    frame.writeUInt32BE(frame.length, 0);
    frame.writeUInt32BE(0x02000000 | (type << 16), 4);
    bytes.copy(frame, 8, from, to);
    return this.#frames.read_frame(frame)!.performative;
  }

  decodeOpen(bytes: Buffer, from: number, to: number): OpenFields {
    const open = this.#decode(FRAME_TYPE.AMQP, bytes, from, to);
    return {
      containerId: String(open["container_id"]),
      hostName: textOf(open["hostname"]),
      maxFrameSize: numberOf(open["max_frame_size"], 0xffffffff),
      channelMax: numberOf(open["channel_max"], 0xffff),
      idleTimeoutMs: numberOf(open["idle_time_out"], 0),
    };
  }

  decodeAttach(bytes: Buffer, from: number, to: number): AttachFields {
    const attach = this.#decode(FRAME_TYPE.AMQP, bytes, from, to);
    return {
      name: String(attach["name"]),
      handle: numberOf(attach["handle"], 0),
      isReceiver: attach["role"] === true,
      senderSettleMode: numberOf(attach["snd_settle_mode"], 2),
      receiverSettleMode: numberOf(attach["rcv_settle_mode"], 0),
      source: this.#addressOf(attach["source"]),
      target: this.#addressOf(attach["target"]),
      initialDeliveryCount: numberOf(attach["initial_delivery_count"], 0),
      maxMessageSize: numberOf(attach["max_message_size"], 0),
      properties: textsOf(attach["properties"]),
    };
  }

  #addressOf(field: unknown): string | null {
    const { descriptor, value } = (field ?? {}) as { descriptor?: { value: unknown }; value?: unknown };
    // A source or a target; a transaction's coordinator has no address.
    const isTerminus = descriptor !== undefined && (descriptor.value === 0x28 || descriptor.value === 0x29);
    const address = isTerminus && Array.isArray(value) ? textOf(this.#termini.unwrap(field)?.address) : null;
    // A link is kept until its client lets go of it, and its address with it.
    return address !== null && address.length <= ADDRESS_CHARACTERS_MAX ? address : null;
  }

  decodeSaslInit(bytes: Buffer, from: number, to: number): SaslInit {
    const init = this.#decode(FRAME_TYPE.SASL, bytes, from, to);
    const response = init["initial_response"];
    return { mechanism: String(init["mechanism"]), response: Buffer.isBuffer(response) ? response : null };
  }

  #amqp(
    channel: number,
    name: "open" | "begin" | "attach" | "detach" | "end" | "close",
    fields: object,
  ): Buffer {
    return this.#frames.write_frame(this.#frames.amqp_frame(channel, this.#frames[name](fields)));
  }

  open(fields: {
    readonly containerId: string;
    readonly maxFrameSize: number;
    readonly channelMax: number;
    readonly idleTimeoutMs: number;
  }): Buffer {
    return this.#amqp(0, "open", {
      container_id: fields.containerId,
      max_frame_size: fields.maxFrameSize,
      channel_max: fields.channelMax,
      idle_time_out: fields.idleTimeoutMs,
    });
  }

  begin(channel: number, incomingWindow: number, handleMax: number): Buffer {
    return this.#amqp(channel, "begin", {
      remote_channel: channel,
      next_outgoing_id: 0,
      incoming_window: incomingWindow,
      outgoing_window: 0x7fffffff,
      handle_max: handleMax,
    });
  }

  /** Our half of a link: the client's own terms, and what we add. `error`: refused, DETACH follows. */
  attach(channel: number, of: AttachFields, maxMessageSize: number, isRefused: boolean): Buffer {
    const termini = this.#termini;
    return this.#amqp(channel, "attach", {
      name: of.name,
      handle: of.handle,
      role: !of.isReceiver,
      snd_settle_mode: of.senderSettleMode,
      rcv_settle_mode: of.isReceiver ? of.receiverSettleMode : 0,
      // A refused link has no terminus of ours (AMQP 2.6.3).
      ...(isRefused && of.isReceiver
        ? {}
        : { source: termini.source({ address: of.source ?? undefined }).described() }),
      ...(isRefused && !of.isReceiver
        ? {}
        : { target: termini.target({ address: of.target ?? undefined }).described() }),
      ...(of.isReceiver ? { initial_delivery_count: 0 } : {}),
      max_message_size: maxMessageSize,
    });
  }

  detach(channel: number, handle: number, error: AmqpError | null): Buffer {
    return this.#amqp(channel, "detach", { handle, closed: true, ...(error === null ? {} : { error }) });
  }

  end(channel: number): Buffer {
    return this.#amqp(channel, "end", {});
  }

  close(error: AmqpError | null): Buffer {
    return this.#amqp(0, "close", error === null ? {} : { error });
  }

  saslMechanisms(names: readonly string[]): Buffer {
    return this.#sasl(this.#frames.sasl_mechanisms({ sasl_server_mechanisms: [...names] }));
  }

  saslChallenge(challenge: Buffer): Buffer {
    return this.#sasl(this.#frames.sasl_challenge({ challenge }));
  }

  saslOutcome(code: number): Buffer {
    return this.#sasl(this.#frames.sasl_outcome({ code }));
  }

  #sasl(performative: { readonly [field: string]: unknown }): Buffer {
    return this.#frames.write_frame(this.#frames.sasl_frame(performative));
  }
}

const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null);
/** Numbers beyond 2^53 come as bytes. */
const numberOf = (value: unknown, otherwise: number): number =>
  typeof value === "number" ? value : otherwise;

function textsOf(map: unknown): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  if (typeof map !== "object" || map === null) return found;
  for (const [key, value] of Object.entries(map)) {
    if (found.size >= PROPERTIES_MAX) break;
    if (typeof value === "string" && key.length + value.length <= LINK_PROPERTY_CHARACTERS_MAX)
      found.set(key, value);
  }
  return found;
}
