/**
 * A module's log, as its worker gathers it: bounded in rate and length, whatever the guest does. The first
 * lines of each second leave at once, because the last words before an endless loop are the ones somebody
 * will need; the rest travel in batches.
 */
import { LOG_LINE_BYTES_MAX } from "../../abi/index.ts";
import { printable } from "./trap.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogLine {
  readonly level: LogLevel;
  readonly text: string;
  /** Wall clock, ms. */
  readonly at: number;
}

const WINDOW_MS = 1_000;
const LINES_AT_ONCE_MAX = 20;
const LINES_BATCHED_MAX = 64;

export class GuestLog {
  readonly #linesPerSecond: number;
  readonly #post: (lines: readonly LogLine[]) => void;
  readonly #monotonicMs: () => number;
  #gathered: LogLine[] = [];
  #windowStart: number;
  #written = 0;
  #dropped = 0;
  #windowEnd: NodeJS.Timeout | null = null;

  constructor(
    linesPerSecond: number,
    post: (lines: readonly LogLine[]) => void,
    monotonicMs: () => number = () => performance.now(),
  ) {
    this.#linesPerSecond = linesPerSecond;
    this.#post = post;
    this.#monotonicMs = monotonicMs;
    this.#windowStart = monotonicMs();
  }

  write(level: LogLevel, text: string): void {
    this.#roll();
    if (this.#written >= this.#linesPerSecond) {
      this.#dropped++;
      // A guest that goes silent after a flood must not hide that there was one.
      this.#windowEnd ??= setTimeout(() => this.#roll(), WINDOW_MS).unref();
      return;
    }
    this.#written++;
    this.#gathered.push({ level, text: printable(text, LOG_LINE_BYTES_MAX), at: Date.now() });
    if (this.#written <= LINES_AT_ONCE_MAX || this.#gathered.length >= LINES_BATCHED_MAX) this.flush();
  }

  /** Called after each run of the guest, and before the worker ends. */
  flush(): void {
    if (this.#gathered.length === 0) return;
    this.#post(this.#gathered);
    this.#gathered = [];
  }

  /** Says what was dropped, then flushes. */
  close(): void {
    this.#reportDropped();
    this.flush();
  }

  #roll(): void {
    const now = this.#monotonicMs();
    if (now - this.#windowStart < WINDOW_MS) return;
    this.#windowStart = now;
    this.#written = 0;
    this.#reportDropped();
  }

  #reportDropped(): void {
    if (this.#windowEnd !== null) clearTimeout(this.#windowEnd);
    this.#windowEnd = null;
    if (this.#dropped === 0) return;
    const text = `${this.#dropped} lines dropped: more than ${this.#linesPerSecond} a second`;
    this.#dropped = 0;
    this.#post([...this.#gathered, { level: "warn", text, at: Date.now() }]);
    this.#gathered = [];
  }
}
