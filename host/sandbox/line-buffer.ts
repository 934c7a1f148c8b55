/** Bytes of a stream as lines. A line that is too long is cut, so that a guest cannot make it grow. */
import { LOG_LINE_BYTES_MAX } from "../../abi/index.ts";

const NEWLINE = 0x0a;

export class LineBuffer {
  readonly #onLine: (line: string) => void;
  readonly #bytes = Buffer.allocUnsafe(LOG_LINE_BYTES_MAX);
  #length = 0;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const newline = bytes.indexOf(NEWLINE, at);
      const end = newline < 0 ? bytes.length : newline;
      const taken = Math.min(end - at, LOG_LINE_BYTES_MAX - this.#length);
      this.#bytes.set(bytes.subarray(at, at + taken), this.#length);
      this.#length += taken;
      at += taken;
      if (at === newline) {
        this.#emit();
        at++;
      } else if (this.#length === LOG_LINE_BYTES_MAX) this.#emit();
    }
  }

  flush(): void {
    if (this.#length > 0) this.#emit();
  }

  #emit(): void {
    const length = this.#length;
    this.#length = 0;
    this.#onLine(this.#bytes.toString("utf8", 0, length));
  }
}
