/**
 * A WebSocket as the stream of bytes that MQTT and AMQP heads serve: how a client cuts it into messages means
 * nothing. Back-pressure goes through in both directions: while nobody reads, the socket is not read either, and
 * what was written counts as waiting until the kernel has it.
 */
import { Duplex } from "node:stream";
import type { WebSocket } from "ws";

/** WebSocket close codes (RFC 6455, 7.4.1). */
const CLOSE = { NORMAL: 1_000, UNACCEPTABLE: 1_003 } as const;

export class WebSocketStream extends Duplex {
  readonly #ws: WebSocket;

  /** Of an open server-side WebSocket; owned by the stream from here on. */
  constructor(ws: WebSocket) {
    super({ decodeStrings: true });
    this.#ws = ws;
    ws.on("message", (data: Buffer, isBinary) => this.#onMessage(data, isBinary));
    ws.on("error", (error) => this.destroy(error));
    // What was read and not yet taken is still to be had.
    ws.on("close", () => this.push(null));
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    if (!isBinary) {
      this.#ws.close(CLOSE.UNACCEPTABLE, "binary messages only");
      this.destroy();
    } else if (!this.destroyed && !this.readableEnded && !this.push(data)) this.#ws.pause();
  }

  override _read(): void {
    this.#ws.resume();
  }

  /** `chunk` may be used again when `done` is called: it is not copied on its way. */
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#ws.send(chunk, { binary: true }, done);
  }

  override _final(done: () => void): void {
    this.#ws.close(CLOSE.NORMAL);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#ws.terminate();
    done(error);
  }
}
