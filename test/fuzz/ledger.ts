/** What a canary has sent, and what became of it: every message is acknowledged and delivered, once, in time. Pure. */

interface Sent {
  readonly atMs: number;
  ackedMs: number | null;
  deliveredMs: number | null;
}

export class Ledger {
  /** By number; settled ones are forgotten. */
  readonly #waiting = new Map<number, Sent>();
  readonly #faults: string[] = [];
  #next = 0;
  #served = 0;
  #slowestMs = 0;

  /** The number of the message that is sent now. */
  begin(nowMs: number): number {
    const number = this.#next++;
    this.#waiting.set(number, { atMs: nowMs, ackedMs: null, deliveredMs: null });
    return number;
  }

  acked(number: number, nowMs: number): void {
    const sent = this.#waiting.get(number);
    if (sent === undefined || sent.ackedMs !== null)
      return this.fault(`acknowledgement of ${number} comes twice`);
    sent.ackedMs = nowMs;
    this.#settle(number, sent, nowMs);
  }

  /** `isAgain`: the hub says that it may have been delivered before. */
  delivered(number: number, nowMs: number): void {
    const sent = this.#waiting.get(number);
    if (sent === undefined || sent.deliveredMs !== null) return this.fault(`${number} is delivered twice`);
    sent.deliveredMs = nowMs;
    this.#settle(number, sent, nowMs);
  }

  #settle(number: number, { atMs, ackedMs, deliveredMs }: Sent, nowMs: number): void {
    if (ackedMs === null || deliveredMs === null) return;
    this.#waiting.delete(number);
    this.#served++;
    this.#slowestMs = Math.max(this.#slowestMs, nowMs - atMs);
  }

  fault(what: string): void {
    this.#faults.push(what);
  }

  get faults(): readonly string[] {
    return this.#faults;
  }

  /** Messages so far, served or not. */
  get begun(): number {
    return this.#next;
  }

  /** That one, and it may be the last of those so far, is acknowledged and delivered. */
  isServed(number: number): boolean {
    return number < this.#next && !this.#waiting.has(number);
  }

  /** Acknowledged and delivered. */
  get served(): number {
    return this.#served;
  }

  get inFlight(): number {
    return this.#waiting.size;
  }

  get slowestMs(): number {
    return this.#slowestMs;
  }

  /** How long the oldest that is not settled has waited. */
  waitingMs(nowMs: number): number {
    const [oldest] = this.#waiting.values();
    return oldest === undefined ? 0 : nowMs - oldest.atMs;
  }
}
