/**
 * The grace of a lane that a module works on (J4b): its entries may stay unwritten for a while, because the module's
 * answer may make that needless. How long is learnt from how long the answers took of late: a grace that ends just
 * before the answer has cost the wait, and saved nothing.
 */
import type { Position } from "./slab.ts";

/** No grace that was learnt is longer: acknowledgements wait for it. */
export const GRACE_MS_MAX = 10;
/** Places remembered per lane, at most; older ones stand in for newer ones. */
const MARKS_MAX = 64;
/** Of the newest answer, in the running means. */
const ANSWER_WEIGHT = 1 / 8;
/** So many times the usual deviation is waited for. */
const DEVIATIONS = 2;
/** An answer that took longer counts as this: a module that was stuck once is not slow for ever, ms. */
const ANSWER_MS_MAX = 2 * GRACE_MS_MAX;

/** How long a module's answers took: running means, ms. */
export interface Answers {
  readonly meanMs: number;
  readonly deviationMs: number;
}

export function nextAnswers(answers: Answers | null, tookMs: number): Answers {
  const ms = Math.min(tookMs, ANSWER_MS_MAX);
  if (answers === null) return { meanMs: ms, deviationMs: ms / 4 };
  const { meanMs, deviationMs } = answers;
  const off = ms - meanMs;
  return {
    meanMs: meanMs + ANSWER_WEIGHT * off,
    deviationMs: deviationMs + ANSWER_WEIGHT * (Math.abs(off) - deviationMs),
  };
}

/** At least `leastMs`, where 0 is none at all; that, too, where an answer cannot be waited for. */
export function graceOf(answers: Answers | null, leastMs: number): number {
  if (answers === null || leastMs === 0) return leastMs;
  const neededMs = answers.meanMs + DEVIATIONS * answers.deviationMs;
  return neededMs > GRACE_MS_MAX ? leastMs : Math.max(leastMs, neededMs);
}

export class Grace {
  #marks: { readonly at: number; readonly position: Position }[] = [];
  #answers: Answers | null = null;
  /** The entry whose answer is timed: one at a time tells enough. */
  #timed: { readonly at: number; readonly offset: number } | null = null;

  /** The oldest place for which it runs. */
  get first(): Position | undefined {
    return this.#marks[0]?.position;
  }

  /** When a grace so long ends for that place; infinite when it does not run. */
  endsAt(graceMs: number): number {
    const first = this.#marks[0];
    return first === undefined ? Infinity : first.at + graceMs;
  }

  /** What the module's answers ask for. */
  learnt(leastMs: number): number {
    return graceOf(this.#answers, leastMs);
  }

  /** The lane's tail and cursor are here at `now`. */
  mark(now: number, tail: () => Position, tailOffset: number, cursorOffset: number): void {
    this.#time(now, tailOffset, cursorOffset);
    if (tailOffset === this.#marks.at(-1)?.position.offset) return;
    const at = this.#marks.length < MARKS_MAX ? now : this.#marks.pop()!.at;
    this.#marks.push({ at, position: tail() });
  }

  #time(now: number, tailOffset: number, cursorOffset: number): void {
    if (this.#timed !== null && cursorOffset >= this.#timed.offset) {
      this.#answers = nextAnswers(this.#answers, now - this.#timed.at);
      this.#timed = null;
    }
    if (this.#timed === null && tailOffset > cursorOffset) this.#timed = { at: now, offset: tailOffset };
  }

  /** The last place, from `from` on, whose grace is over, because of its time or because it is settled. */
  passed(from: Position, cursorOffset: number, now: number, graceMs: number): Position {
    let to = from;
    let count = 0;
    for (const { at, position } of this.#marks) {
      if (now - at < graceMs && position.offset > cursorOffset) break;
      if (position.offset > to.offset) to = position;
      count++;
    }
    if (count > 0) this.#marks.splice(0, count);
    return to;
  }

  /** Nothing waits any more. */
  end(): void {
    this.#marks.length = 0;
    this.#timed = null;
  }
}
