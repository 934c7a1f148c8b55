/**
 * Where records go in the redo log: a ring of whole blocks. Places only grow; one modulo the ring's size is where
 * it lies. A record is never split over the ring's end: it begins a new lap instead.
 */
export class Ring {
  readonly bytes: number;
  /** Where the next record may begin. */
  head: number;
  /** What lies before is in the database: its room may be used again. */
  #tail: number;

  /** Between `tail` and `head` lies what a log held when it was opened. */
  constructor(bytes: number, tail: number, head = tail) {
    this.bytes = bytes;
    this.#tail = tail;
    this.head = head;
  }

  get used(): number {
    return this.head - this.#tail;
  }

  /** Takes the room for a record: its place, or `null` when what lies there is not in the database yet. */
  take(bytes: number): number | null {
    const left = this.bytes - (this.head % this.bytes);
    const at = bytes <= left ? this.head : this.head + left;
    if (this.used === 0) this.#tail = at; // nothing lies there: the lap may begin anywhere
    if (at + bytes - this.#tail > this.bytes) return null;
    this.head = at + bytes;
    return at;
  }

  /** Everything before `tail` is in the database. */
  release(tail: number): void {
    this.#tail = tail;
  }
}
