import { describe, expect, test } from "vitest";
import { Grace, GRACE_MS_MAX, graceOf, nextAnswers, type Answers } from "../../../hub/journal/grace.ts";
import { Position, Slab } from "../../../hub/journal/slab.ts";

const LEAST_MS = 2;

const after = (...tookMs: readonly number[]): Answers | null =>
  tookMs.reduce<Answers | null>(nextAnswers, null);
const many = (tookMs: number): number[] => Array.from<number>({ length: 50 }).fill(tookMs);
const learnt = (...tookMs: readonly number[]): number => graceOf(after(...tookMs), LEAST_MS);

describe("the grace that is learnt [J4b]", () => {
  test("is the least while there are no answers, and where they are quick", () => {
    expect(graceOf(null, LEAST_MS)).toBe(LEAST_MS);
    expect(learnt(...many(0.3))).toBe(LEAST_MS);
  });

  test("is longer than answers that take longer than the least", () => {
    expect(learnt(3)).toBeGreaterThan(3);
    expect(learnt(...many(4))).toBeGreaterThanOrEqual(4);
    expect(learnt(...many(4))).toBeLessThan(5);
    expect(learnt(...many(3), 2, 5, 2, 5, 2, 5)).toBeGreaterThan(5);
  });

  test("is the least where an answer cannot be waited for", () => {
    expect(learnt(...many(9))).toBeLessThanOrEqual(GRACE_MS_MAX);
    expect(learnt(...many(11))).toBe(LEAST_MS);
    expect(learnt(...many(60_000))).toBe(LEAST_MS);
  });

  test("forgets an answer that took for ever within a few others", () => {
    expect(learnt(...many(3), 60_000, ...many(3).slice(0, 20))).toBeLessThan(5);
  });

  test("is none where none is wanted", () => {
    expect(graceOf(after(...many(4)), 0)).toBe(0);
  });
});

test("a lane's grace times one answer after the other, from arrival to settlement", () => {
  const grace = new Grace();
  const slab = Slab.evicted(0);
  const mark = (now: number, tail: number, cursor: number) =>
    grace.mark(now, () => new Position(tail, slab, 0), tail, cursor);
  mark(100, 1, 0);
  mark(103, 2, 0); // comes while the first is timed
  mark(104, 2, 1);
  expect(grace.learnt(LEAST_MS)).toBe(graceOf(after(4), LEAST_MS));
  mark(106, 2, 2); // timed from when the first was answered
  expect(grace.learnt(LEAST_MS)).toBe(graceOf(after(4, 2), LEAST_MS));
});
