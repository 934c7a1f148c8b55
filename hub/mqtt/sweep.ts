/**
 * One coarse timer for all connections: a tick counter, and a visit to each connection per tick. Ten thousand
 * idle connections cost one timer instead of ten thousand, and noting "something was read" costs a copy of the
 * counter instead of a look at the clock. A deadline counted in ticks may come up to two ticks late, never
 * early; and when the process or the machine sleeps, ticks stand still, so nobody is cut for our own pause.
 */
export const TICK_MS = 1_000;

export interface Swept {
  onTick(tick: number): void;
  close(code: "shutdown"): void;
}

export class Sweep {
  readonly tickMs: number;
  #tick = 0;
  readonly #members = new Set<Swept>();
  #timer: NodeJS.Timeout | null = null;
  #whenEmpty: (() => void)[] = [];

  constructor(tickMs: number = TICK_MS) {
    this.tickMs = tickMs;
  }

  get tick(): number {
    return this.#tick;
  }

  get size(): number {
    return this.#members.size;
  }

  /** Ticks after which `ms` have certainly passed. */
  ticks(ms: number): number {
    return Math.ceil(ms / this.tickMs);
  }

  add(member: Swept): void {
    this.#members.add(member);
  }

  delete(member: Swept): void {
    this.#members.delete(member);
    if (this.#members.size === 0) this.#announceEmpty();
  }

  start(): void {
    this.#timer ??= setInterval(() => this.advance(), this.tickMs).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** One tick. The timer calls this; so does a test that will not wait. */
  advance(): void {
    this.#tick += 1;
    for (const member of this.#members) member.onTick(this.#tick);
  }

  closeAll(code: "shutdown"): void {
    for (const member of this.#members) member.close(code);
  }

  /** Resolves when there is no member. */
  emptied(): Promise<void> {
    if (this.#members.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  #announceEmpty(): void {
    const waiting = this.#whenEmpty;
    this.#whenEmpty = [];
    for (const resolve of waiting) resolve();
  }
}
