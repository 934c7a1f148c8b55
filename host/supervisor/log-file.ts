/**
 * One module's log: what is on disk, what waits for the disk, and who reads along. Bounded three times: the
 * files, the lines waiting, and the lines per follower.
 *
 * Invariant: the lines in the files followed by the lines waiting are all that was appended and kept, in order.
 * Every access to the files goes through one chain, so that a follower can take its place between the two.
 */
import { createLogFollower, type LogFollower } from "./log-follower.ts";
import { createRotatingFile, type RotatingFile, type RotatingFileSettings } from "./rotating-file.ts";

export interface LogFileSettings extends RotatingFileSettings {
  /** Lines waiting for the disk; beyond it new ones are counted and dropped. */
  readonly pendingBytesMax: number;
  /** Lines waiting for a slow follower; beyond it the oldest are skipped. */
  readonly followLinesMax: number;
}

export const LOG_FILE_DEFAULTS: LogFileSettings = {
  fileBytesMax: 1024 * 1024,
  filesMax: 3,
  pendingBytesMax: 256 * 1024,
  followLinesMax: 1_000,
};

export class LogFile {
  readonly #file: RotatingFile;
  readonly #settings: LogFileSettings;
  readonly #onError: (error: Error | null) => void;
  readonly #followers = new Set<LogFollower>();
  #pending: string[] = [];
  #pendingBytes = 0;
  #dropped = 0;
  #failing = false;
  #scheduled = false;
  #chain: Promise<unknown> = Promise.resolve();

  /** `onError` hears of the first of a row of failed writes, and `null` when writing succeeds again. */
  constructor(path: string, settings: LogFileSettings, onError: (error: Error | null) => void) {
    this.#file = createRotatingFile(path, settings);
    this.#settings = settings;
    this.#onError = onError;
  }

  /** `line` without its end. Never throws, never waits. */
  append(line: string): void {
    for (const follower of this.#followers) follower.push(line);
    const bytes = Buffer.byteLength(line) + 1;
    if (this.#pendingBytes + bytes > this.#settings.pendingBytesMax) {
      this.#dropped += 1;
      return;
    }
    this.#pending.push(line);
    this.#pendingBytes += bytes;
    if (this.#scheduled) return;
    this.#scheduled = true;
    void this.flush();
  }

  /** The last `count` lines, oldest first. */
  tail(count: number): Promise<string[]> {
    return this.#alone(() => this.#last(count));
  }

  /** The last `count` lines, then every further one until `signal` aborts or the log is closed. */
  async *follow(count: number, signal: AbortSignal): AsyncGenerator<string> {
    const follower = createLogFollower(this.#settings.followLinesMax);
    // At once, not at the next read: whoever aborted may never read again.
    const end = (): void => {
      this.#followers.delete(follower);
      follower.end();
    };
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
    try {
      await this.#alone(async () => {
        // Joins with no turn of the event loop in between, so that no line is missed or seen twice.
        for (const line of await this.#last(count)) follower.push(line);
        if (!signal.aborted) this.#followers.add(follower);
      });
      yield* follower.lines();
    } finally {
      this.#followers.delete(follower);
      signal.removeEventListener("abort", end);
    }
  }

  /** Everything appended so far is written, or was given up. */
  flush(): Promise<void> {
    return this.#alone(() => this.#drain());
  }

  /** Ends the followers and deletes the files. */
  remove(): Promise<void> {
    return this.#alone(async () => {
      this.#endFollowers();
      this.#take();
      await this.#file.remove();
    });
  }

  close(): Promise<void> {
    return this.#alone(async () => {
      await this.#drain();
      this.#endFollowers();
      await this.#file.release();
    });
  }

  /** Runs `task` when every earlier access to the files is done. */
  #alone<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#chain.then(task);
    this.#chain = result.catch(() => {});
    return result;
  }

  async #drain(): Promise<void> {
    this.#scheduled = false;
    const lines = this.#take();
    if (lines.length === 0) return;
    try {
      await this.#file.append(Buffer.from(`${lines.join("\n")}\n`));
      if (this.#failing) this.#onError(null);
      this.#failing = false;
    } catch (error) {
      // A log that cannot be written must not stop the module: the lines are lost, and that is told once.
      if (!this.#failing) this.#onError(error instanceof Error ? error : new Error(String(error)));
      this.#failing = true;
      await this.#file.release().catch(() => {});
    }
  }

  #take(): string[] {
    const lines = this.#pending;
    if (this.#dropped > 0) {
      lines.push(`... ${this.#dropped} lines dropped: they came faster than the disk takes them`);
    }
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#dropped = 0;
    return lines;
  }

  async #last(count: number): Promise<string[]> {
    if (count <= 0) return [];
    const written = await this.#file.readLast(count);
    return [...written, ...this.#pending].slice(-count);
  }

  #endFollowers(): void {
    for (const follower of this.#followers) follower.end();
    this.#followers.clear();
  }
}
