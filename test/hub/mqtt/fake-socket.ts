/** A socket without a network: what is written is kept, and reading happens when a test says so. */
import { Duplex } from "node:stream";
import type { Socket } from "node:net";

export class FakeSocket extends Duplex {
  readonly written: Buffer[] = [];
  /** `false`: writes stay under way until `release()`, as with a peer that does not read. */
  isTaking = true;
  #pending: (() => void)[] = [];

  get socket(): Socket {
    return this as unknown as Socket;
  }

  get output(): Buffer {
    return Buffer.concat(this.written);
  }

  /** As if read from the network, at once; what goes wrong is thrown here. */
  receive(bytes: Uint8Array): void {
    this.emit("data", Buffer.from(bytes));
  }

  release(): void {
    this.isTaking = true;
    for (const done of this.#pending.splice(0)) done();
  }

  /** Takes one write, and leaves the next one under way. */
  releaseOne(): void {
    this.#pending.shift()?.();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.isTaking) {
      this.written.push(Buffer.from(chunk));
      done();
      return;
    }
    // Copied only when it is taken: a chunk that is reused too early shows.
    this.#pending.push(() => {
      this.written.push(Buffer.from(chunk));
      done();
    });
  }
}
