/** Compacts a store by itself, when much of its file is free: a disk that was full once is not full for ever. */
import { isWorthCompacting, type StoreSpace } from "./compaction.ts";

/** How often it looks, ms. */
export const COMPACTION_REVIEW_MS = 60_000;
/** After one that failed it looks again this much later, ms: want of room does not go within a minute. */
const RETRY_MS = 60 * 60_000;

export interface CompactorOptions {
  readonly space: () => StoreSpace | undefined;
  readonly compact: () => Promise<unknown>;
  /** Goes up with each group. */
  readonly groups: () => number;
  readonly nowMs: () => number;
}

export class Compactor {
  readonly #options: CompactorOptions;
  readonly #timer: NodeJS.Timeout;
  #groupsSeen: number;
  #notBeforeMs = -Infinity;
  #running: Promise<void> | null = null;
  done = 0;

  constructor(options: CompactorOptions) {
    this.#options = options;
    this.#groupsSeen = options.groups();
    this.#timer = setInterval(() => this.review(), COMPACTION_REVIEW_MS).unref();
  }

  /** What a failure leaves is the store as it was, or a store that fails with the next commit: both are seen there. */
  review(): void {
    const { space, compact, groups, nowMs } = this.#options;
    const isQuiet = groups() === this.#groupsSeen;
    this.#groupsSeen = groups();
    if (this.#running !== null || nowMs() < this.#notBeforeMs) return;
    const found = space();
    if (found === undefined || !isWorthCompacting(found, isQuiet)) return;
    this.#running = compact()
      .then(
        () => void this.done++,
        () => void (this.#notBeforeMs = nowMs() + RETRY_MS),
      )
      .finally(() => (this.#running = null));
  }

  /** Resolves when none is under way. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }
}
