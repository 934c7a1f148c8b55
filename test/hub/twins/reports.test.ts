/** Reports of one result become one change, which is what they would have come to one after the other. */
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../hub/twins/limits.ts";
import { applyReports } from "../../../hub/twins/reports.ts";
import { newTwin, patchTwin, type Twin } from "../../../hub/twins/twin.ts";
import { seeded } from "../../support/seed.ts";

const NOW = "2026-01-01T00:00:00.000Z";
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const with_ = (values: JsonObject): Twin => patchTwin(newTwin(NOW), "reported", values, NOW);
const apply = (twin: Twin, ...reports: readonly unknown[]) => applyReports(twin, reports.map(json), NOW);

describe("reports of one result", () => {
  test("are one change with one version, whatever their number", () => {
    const before = with_({ a: 1 });
    const { twin, refusals } = apply(before, { b: 2 }, { a: null }, { b: 3, c: { d: 4 } }, { c: { e: 5 } });
    expect(refusals).toEqual([]);
    expect(twin.reported.values).toEqual({ b: 3, c: { d: 4, e: 5 } });
    expect([twin.version, twin.reported.version]).toEqual([before.version + 1, before.reported.version + 1]);
  });

  test("that delete an object and set it again leave nothing of the old one", () => {
    const { twin } = apply(with_({ a: { old: 1 } }), { a: null }, { a: { young: 2 } });
    expect(twin.reported.values).toEqual({ a: { young: 2 } });
  });

  test("come to what they would have come to one after the other", () => {
    const { below } = seeded("reports");
    const value = (depth: number): unknown => {
      if (depth === 0 || below(3) === 0) return below(4) === 0 ? null : below(9);
      return Object.fromEntries(Array.from({ length: below(3) }, () => [`k${below(3)}`, value(depth - 1)]));
    };
    const patch = (): JsonObject =>
      ({ [`k${below(3)}`]: value(3), [`k${below(3)}`]: value(2) }) as JsonObject;
    for (let round = 0; round < 2_000; round++) {
      const before = with_(patch());
      const patches = Array.from({ length: 1 + below(8) }, patch);
      const expected = patches.reduce((twin, one) => patchTwin(twin, "reported", one, NOW), before);
      const { twin, refusals } = apply(before, ...patches);
      expect(refusals).toEqual([]);
      expect({ patches, values: twin.reported.values }).toEqual({
        patches,
        values: expected.reported.values,
      });
    }
  });

  test("are refused one by one, and the others count", () => {
    const { twin, refusals } = apply(with_({}), { good: 1 }, 17, { "no.key": 1 }, { also: "good" });
    expect(twin.reported.values).toEqual({ good: 1, also: "good" });
    expect(refusals).toEqual([
      expect.stringContaining("must be a JSON object"),
      expect.stringContaining("key is empty, too long"),
    ]);
  });

  test("that are too large together change nothing", () => {
    const before = with_({ a: 1 });
    const large = Array.from({ length: 10 }, (_, i) => ({ [`text${i}`]: "x".repeat(4_000) }));
    const { twin, refusals } = apply(before, ...large);
    expect([twin, refusals]).toEqual([before, [expect.stringMatching(/would have \d+ bytes/)]]);
  });

  test("may hold any key, and change nobody's prototype", () => {
    const text = '{"__proto__":{"polluted":1}}';
    const { twin } = applyReports(with_({}), [Buffer.from(text), Buffer.from(text)], NOW);
    expect(JSON.stringify(twin.reported.values)).toBe(text);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});
