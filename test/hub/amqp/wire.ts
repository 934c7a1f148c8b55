/** One AMQP connection on a stream in memory, with a handler that admits everybody: what goes in and comes out. */
import { Duplex } from "node:stream";
import frames from "rhea/lib/frames.js";
import type { CloseReason } from "../../../hub/amqp/close-reason.ts";
import { Codec } from "../../../hub/amqp/codec.ts";
import { AmqpConnection } from "../../../hub/amqp/connection.ts";
import { identityName, type AmqpHandler, type LinkRequest } from "../../../hub/amqp/handler.ts";
import type { AmqpError } from "../../../hub/amqp/codec.ts";
import { Sweep } from "../../../hub/mqtt/sweep.ts";

export const HEADER = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 1, 0, 0]);
export const SASL_HEADER = Buffer.from([0x41, 0x4d, 0x51, 0x50, 3, 1, 0, 0]);

const codec = await Codec.load();
const raw = frames as unknown as Record<string, (fields: object) => { readonly [field: string]: unknown }>;

/** A frame as rhea writes it. */
export const frame = (name: string, fields: object, channel = 0, payload?: Buffer): Buffer =>
  frames.write_frame({ ...frames.amqp_frame(channel, raw[name]!(fields)), payload });
export const saslFrame = (name: string, fields: object): Buffer =>
  frames.write_frame(frames.sasl_frame(raw[name]!(fields)));

export const OPEN = frame("open", { container_id: "c" });
export const BEGIN = frame("begin", { next_outgoing_id: 0, incoming_window: 100, outgoing_window: 100 });

class MemoryStream extends Duplex {
  readonly written: Buffer[] = [];
  /** The peer takes nothing. */
  isStuck = false;

  override _read(): void {
    // Bytes come by `push` of the connection.
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(Buffer.from(chunk));
    if (!this.isStuck) done();
  }
}

export interface Sent {
  readonly name: string;
  readonly channel: number;
  readonly performative: { readonly [field: string]: unknown };
  readonly payload: Buffer | undefined;
}

export class Wire {
  readonly stream = new MemoryStream();
  readonly sweep = new Sweep();
  readonly connection: AmqpConnection;
  readonly troubles: string[] = [];
  reason: CloseReason | null = null;
  /** Tokens that are good, with when they end: `device` or `device/module` to ms. */
  readonly tokens = new Map<string, number>();
  /** Who has shown such a one. */
  readonly shown: string[] = [];
  onLink: (connection: AmqpConnection, request: LinkRequest) => AmqpError | null = () => null;

  constructor() {
    const handler: AmqpHandler = {
      verifyToken: (identity, token) => {
        const expiresMs = this.tokens.get(identityName(identity));
        if (expiresMs === undefined || token !== "good") return { ok: false, text: "token is bad" };
        return { ok: true, identity, expiresMs, by: "key" };
      },
      verifyCertificate: () => ({ ok: false, text: "no device of this certificate" }),
      onShown: (_connection, identity, expiresMs) =>
        void this.shown.push(`${identityName(identity)} until ${expiresMs}`),
      onLink: (connection, request) => this.onLink(connection, request),
      onTrouble: (_connection, what) => void this.troubles.push(what),
      onClose: (_connection, reason) => void (this.reason = reason),
    };
    const peer = { remoteAddress: "", isSecure: false, certificate: null };
    this.connection = new AmqpConnection(this.stream, peer, handler, codec, this.sweep);
  }

  /** What the connection says to these bytes. */
  async say(...parts: Buffer[]): Promise<Sent[]> {
    const before = this.stream.written.length;
    const bytes = Buffer.concat(parts);
    this.connection.push(bytes, 0, bytes.length);
    await new Promise(setImmediate);
    return parse(Buffer.concat(this.stream.written.slice(before)));
  }

  /** A connection with a session, and `d1` known on it. */
  async begin(): Promise<this> {
    this.tokens.set("d1", Infinity);
    const response = Buffer.from("\0d1@sas.gw\0good");
    await this.say(SASL_HEADER, saslFrame("sasl_init", { mechanism: "PLAIN", initial_response: response }));
    await this.say(HEADER, OPEN, BEGIN);
    return this;
  }

  async ticks(n: number): Promise<Sent[]> {
    const before = this.stream.written.length;
    for (let i = 0; i < n; i++) this.sweep.advance();
    await new Promise(setImmediate);
    return parse(Buffer.concat(this.stream.written.slice(before)));
  }
}

const NAMES = ["open", "begin", "attach", "flow", "transfer", "disposition", "detach", "end", "close"];

function parse(bytes: Buffer): Sent[] {
  const sent: Sent[] = [];
  for (let at = 0; at < bytes.length;) {
    if (bytes.toString("latin1", at, at + 4) === "AMQP") {
      sent.push({ name: `header ${bytes[at + 4]}`, channel: 0, performative: {}, payload: undefined });
      at += 8;
      continue;
    }
    const size = bytes.readUInt32BE(at);
    const one = bytes.subarray(at, at + size);
    at += size;
    if (size === 8) {
      sent.push({ name: "empty", channel: 0, performative: {}, payload: undefined });
      continue;
    }
    const { performative, payload } = frames.read_frame(one) as unknown as {
      performative: never;
      payload?: Buffer;
    };
    const code = one[10]!;
    const name = code >= 0x40 ? `sasl ${code & 15}` : NAMES[code - 0x10]!;
    sent.push({ name, channel: one.readUInt16BE(6), performative, payload });
  }
  return sent;
}

export const names = (sent: readonly Sent[]): string[] => sent.map(({ name }) => name);
export const conditionOf = (sent: readonly Sent[], name: string): string | undefined => {
  const error = sent.find((one) => one.name === name)?.performative["error"];
  return (error as { condition?: string } | undefined)?.condition;
};
