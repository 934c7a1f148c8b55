/** Says a stream to the hub over a real socket, and hears what comes back. Every wait is bounded. */
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { answersOf, type Depth } from "./answers.ts";
import type { Piece, Stream, Wire } from "./stream.ts";

/** How long an answer is waited for, ms: a hub under load may take its time, and then the stream goes on without. */
const ANSWER_WAIT_MS = 150;
/** How long what is said last may be answered, ms. */
const LAST_WAIT_MS = 40;
/** No stream takes longer, ms. */
const STREAM_MS_MAX = 3_000;
/** Writes of a stream that is cut finely; then the rest goes in one. */
const WRITES_MAX = 400;
/** Connections that stay when their stream is over; then the oldest goes. */
export const STAYING_MAX = 64;

export interface Heard {
  readonly seen: ReadonlySet<Depth>;
  /** Why the hub's answer is wrong. */
  readonly fault: string | null;
  /** By kind: what was written before the connection ended. */
  readonly sent: readonly Piece[];
  /** The hub ended it. */
  readonly isCut: boolean;
}

export type Ports = Readonly<Record<Wire, number>>;

export class Sender implements Disposable {
  readonly #ports: Ports;
  readonly #staying: Socket[] = [];

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  async say(stream: Stream): Promise<Heard> {
    const answers = answersOf(stream.wire);
    const conversation = new Conversation(this.#ports[stream.wire], (bytes) => answers.push(bytes));
    const end = performance.now() + STREAM_MS_MAX;
    const sent = await sayAll(conversation, stream, end);
    await conversation.answered(LAST_WAIT_MS);
    const { isEnded } = conversation;
    await this.#leave(conversation, stream.farewell);
    return { seen: answers.seen, fault: answers.fault, sent, isCut: isEnded };
  }

  async #leave(conversation: Conversation, farewell: Stream["farewell"]): Promise<void> {
    const { socket } = conversation;
    switch (farewell) {
      case "half":
        socket.end();
        await conversation.answered(LAST_WAIT_MS);
        return void socket.destroy();
      case "reset":
        // One that is ending already would never be closed by it.
        return void (conversation.isEnded ? socket.destroy() : socket.resetAndDestroy());
      case "stay":
        this.#staying.push(socket);
        if (this.#staying.length > STAYING_MAX) this.#staying.shift()!.destroy();
        return;
      case "close":
        socket.destroy();
    }
  }

  [Symbol.dispose](): void {
    for (const socket of this.#staying) socket.destroy();
  }
}

/** A socket, and the latest that was heard on it. */
class Conversation {
  readonly socket: Socket;
  #heard: (() => void)[] = [];

  constructor(port: number, onBytes: (bytes: Buffer) => void) {
    const socket = (this.socket = connect({ port, host: "127.0.0.1", noDelay: true }));
    const wake = (): void => {
      for (const resolve of this.#heard.splice(0)) resolve();
    };
    socket.on("data", (bytes: Buffer) => {
      onBytes(bytes);
      wake();
    });
    socket.on("error", () => socket.destroy()); // a reset is one way to be refused
    socket.on("end", wake);
    socket.on("close", wake);
  }

  get isEnded(): boolean {
    return this.socket.destroyed || this.socket.readableEnded;
  }

  /** Resolves when something is heard, the connection has ended, or the time is over. */
  async answered(ms: number): Promise<void> {
    if (this.isEnded) return;
    const late = new AbortController();
    const heard = new Promise<void>((resolve) => this.#heard.push(resolve));
    await Promise.race([heard, delay(ms, undefined, { signal: late.signal }).catch(() => undefined)]);
    late.abort();
  }

  async write(bytes: Buffer): Promise<void> {
    const { socket } = this;
    // Who does not take what is sent is waited for like an answer: it may be holding us up on purpose.
    if (!this.isEnded && !socket.write(bytes)) await this.answered(ANSWER_WAIT_MS);
  }
}

/** Returns the pieces that were written. */
async function sayAll(conversation: Conversation, stream: Stream, endMs: number): Promise<readonly Piece[]> {
  const { pieces, cut } = stream;
  if (cut === "whole") {
    await conversation.write(Buffer.concat(pieces.map(({ bytes }) => bytes)));
    await conversation.answered(ANSWER_WAIT_MS);
    return pieces;
  }
  const sent: Piece[] = [];
  let writes = 0;
  for (const each of pieces) {
    if (conversation.isEnded || performance.now() > endMs) break;
    const { bytes, asks } = each;
    const size = cut === "pieces" || writes >= WRITES_MAX ? bytes.length : cut;
    for (let at = 0; at < bytes.length; writes++) {
      const to = writes >= WRITES_MAX ? bytes.length : at + Math.max(1, size);
      await conversation.write(bytes.subarray(at, to));
      at = to;
      // Without it the kernel would join what was cut.
      if (cut !== "pieces") await new Promise(setImmediate);
    }
    sent.push(each);
    if (asks) await conversation.answered(ANSWER_WAIT_MS);
  }
  return sent;
}
