/** Records of one lane in offset order; taken from the front, added at the end. */
import type { RecordRange } from "./store.ts";

/** Records that are gone stay in the list until there are this many, or nothing else. */
const GONE_MAX = 1024;

export class RecordIndex<T extends RecordRange = RecordRange> {
  #records: T[];
  #head = 0;
  bytes = 0;

  constructor(records: T[] = []) {
    this.#records = records;
    for (const record of records) this.bytes += record.bytes;
  }

  get length(): number {
    return this.#records.length - this.#head;
  }

  /** First offset after the last record; 0 when there is none. */
  get endOffset(): number {
    const last = this.#records.at(-1);
    return last === undefined ? 0 : last.first + last.count;
  }

  push(record: T): void {
    this.#records.push(record);
    this.bytes += record.bytes;
  }

  /** Those that end at or before `offset`, at most `countMax` of them. */
  endingBy(offset: number, countMax = Infinity): T[] {
    const found: T[] = [];
    for (let i = this.#head; i < this.#records.length && found.length < countMax; i++) {
      const record = this.#records[i]!;
      if (record.first + record.count > offset) break;
      found.push(record);
    }
    return found;
  }

  drop(count: number): void {
    for (let i = 0; i < count; i++) this.bytes -= this.#records[this.#head++]!.bytes;
    if (this.#head < GONE_MAX && this.#head < this.#records.length) return;
    this.#records = this.#records.slice(this.#head);
    this.#head = 0;
  }

  /** Those that begin in `[from, to)`, at most `countMax` of them. */
  within(from: number, to: number, countMax = Infinity): T[] {
    const found: T[] = [];
    for (let i = this.#search(from); i < this.#records.length && found.length < countMax; i++) {
      const record = this.#records[i]!;
      if (record.first >= to) break;
      found.push(record);
    }
    return found;
  }

  /** The one that begins at `first`. */
  at(first: number): T | undefined {
    const record = this.#records[this.#search(first)];
    return record?.first === first ? record : undefined;
  }

  /** Place of the first record that does not begin before `offset`. */
  #search(offset: number): number {
    let lo = this.#head;
    let hi = this.#records.length;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (this.#records[mid]!.first < offset) lo = mid + 1;
      else hi = mid;
    }
    return lo;
  }
}
