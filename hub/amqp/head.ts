/**
 * AMQP for the hub: sockets and other streams to connections. The codec behind it is loaded with the first one,
 * so a gateway that speaks no AMQP does not carry it.
 */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { shownCertificateOf } from "../identity/shown-certificate.ts";
import { listenFor, type Listener, type ListenOptions } from "../mqtt/listener.ts";
import { readFrom } from "../mqtt/read-loop.ts";
import type { Sweep } from "../mqtt/sweep.ts";
import { Codec } from "./codec.ts";
import { AmqpConnection, type AmqpPeer } from "./connection.ts";
import type { AmqpHandler } from "./handler.ts";
import { AMQP_LIMITS, type AmqpLimits } from "./limits.ts";

export type AmqpListenOptions = Omit<ListenOptions<never, never>, "handler" | "limits">;

export class AmqpHead {
  readonly #handler: AmqpHandler;
  readonly #codec: Codec;
  readonly #limits: AmqpLimits;

  private constructor(handler: AmqpHandler, codec: Codec, limits: AmqpLimits) {
    this.#handler = handler;
    this.#codec = codec;
    this.#limits = limits;
  }

  static async load(handler: AmqpHandler, limits: Partial<AmqpLimits> = {}): Promise<AmqpHead> {
    return new AmqpHead(handler, await Codec.load(), { ...AMQP_LIMITS, ...limits });
  }

  /** @throws {ListenError} */
  listen(options: AmqpListenOptions): Promise<Listener> {
    return listenFor(options, (socket, sweep) => this.#accept(socket, sweep));
  }

  #accept(accepted: Socket, sweep: Sweep): void {
    const peer = {
      remoteAddress: accepted.remoteAddress ?? "",
      isSecure: accepted instanceof TLSSocket,
      certificate: shownCertificateOf(accepted),
    };
    const socket = readFrom(accepted, (bytes, length) => connection.push(bytes, 0, length));
    const connection = new AmqpConnection(socket, peer, this.#handler, this.#codec, sweep, this.#limits);
    socket.resume();
  }

  /** Serves AMQP on a stream that somebody else has accepted, such as a WebSocket's (`AMQPWSB10`). */
  serve(stream: Duplex, peer: AmqpPeer, sweep: Sweep): AmqpConnection {
    const connection = new AmqpConnection(stream, peer, this.#handler, this.#codec, sweep, this.#limits);
    stream.on("data", (bytes: Buffer) => connection.push(bytes, 0, bytes.length));
    return connection;
  }
}
