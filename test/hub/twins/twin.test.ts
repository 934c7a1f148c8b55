/** The twin as a document: merge, versions, metadata, limits. */
import { describe, expect, test } from "vitest";
import { DEPTH_MAX, SECTION_BYTES_MAX, TwinError, type JsonObject } from "../../../hub/twins/limits.ts";
import { difference, EMPTY, mergePatch } from "../../../hub/twins/merge.ts";
import {
  clientView,
  decodeTwin,
  encodeTwin,
  newTwin,
  patchTwin,
  replaceSection,
  serviceView,
  type Twin,
} from "../../../hub/twins/twin.ts";
import { seeded } from "../../support/seed.ts";

const T0 = "2026-01-01T00:00:00.000Z";
const T1 = "2026-01-02T00:00:00.000Z";

const reported = (twin: Twin, patch: unknown, now = T1): Twin => patchTwin(twin, "reported", patch, now);
const valuesOf = (twin: Twin): unknown => JSON.parse(JSON.stringify(twin.reported.values));

describe("a patch", () => {
  const twin = reported(newTwin(T0), { a: 1, b: { c: 2, d: [1, 2] }, e: "x" }, T0);

  test("merges objects deeply, replaces all else, and deletes what is null", () => {
    const next = reported(twin, { b: { c: 3, d: [9], f: null }, e: null, g: { h: 1, i: null } });
    expect(valuesOf(next)).toEqual({ a: 1, b: { c: 3, d: [9] }, g: { h: 1 } });
    expect(valuesOf(reported(twin, { b: 5 }))).toEqual({ a: 1, b: 5, e: "x" });
    expect(valuesOf(reported(twin, { a: { z: 1 } }))).toMatchObject({ a: { z: 1 } });
  });

  test("leaves the twin it was made from as it was", () => {
    const before = JSON.stringify(twin);
    reported(twin, { b: { c: null }, a: null });
    expect(JSON.stringify(twin)).toBe(before);
  });

  test("raises the version of its section and of the twin by one, even when it changes nothing", () => {
    const next = reported(twin, {});
    expect([next.reported.version, next.desired.version, next.version]).toEqual([3, 1, 3]);
  });

  test("cannot set $version or $metadata: what a client sends back of them is ignored", () => {
    const next = reported(twin, { $version: 77, $metadata: { $lastUpdated: "never" }, a: 2 });
    expect(next.reported.version).toBe(3);
    expect(valuesOf(next)).toEqual({ a: 2, b: { c: 2, d: [1, 2] }, e: "x" });
  });

  test("stamps what it touched, up to the root, and nothing else", () => {
    const metadata = JSON.parse(JSON.stringify(reported(twin, { b: { c: 1 }, e: null }).reported.metadata));
    expect(metadata).toEqual({
      $lastUpdated: T1,
      a: { $lastUpdated: T0 },
      b: { $lastUpdated: T1, c: { $lastUpdated: T1 }, d: { $lastUpdated: T0 } },
    });
  });

  test("of desired properties says in the metadata which version wrote them", () => {
    const { desired } = patchTwin(newTwin(T0), "desired", { speed: 3 }, T1);
    expect(desired.metadata).toMatchObject({
      $lastUpdatedVersion: 2,
      speed: { $lastUpdated: T1, $lastUpdatedVersion: 2 },
    });
  });

  test.each(["__proto__", "constructor", "toString", "hasOwnProperty"])(
    "with the key %s is a key like any other",
    (key) => {
      const hostile = JSON.parse(`{"${key}": {"polluted": 1}}`) as JsonObject;
      const next = decodeTwin(encodeTwin(reported(twin, hostile)));
      expect(JSON.stringify(next.reported.values)).toContain(`"${key}":{"polluted":1}`);
      expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
      expect(valuesOf(reported(next, JSON.parse(`{"${key}": null}`)))).toEqual(valuesOf(twin));
      expect(valuesOf(replaceSection(next, "reported", { only: 1 }, T1))).toEqual({ only: 1 });
    },
  );
});

describe("limits", () => {
  const nested = (depth: number): JsonObject => (depth === 0 ? {} : { a: nested(depth - 1) });

  test.each([
    ["no object", [1], ""],
    ["null", null, ""],
    ["a key with a dot", { "a.b": 1 }, "a.b"],
    ["a key with a dollar sign", { a: { $b: 1 } }, "a.$b"],
    ["a key with a blank", { "a b": 1 }, "a b"],
    ["a key with a control character", { "a\u0007": 1 }, "a\u0007"],
    ["an empty key", { "": 1 }, ""],
    ["a key of 1025 bytes", { [`${"ä".repeat(512)}x`]: 1 }, `${"ä".repeat(512)}x`],
    ["a text of 4097 bytes", { a: "x".repeat(4097) }, "a"],
    ["an integer beyond 2^52", { a: { b: 2 ** 52 } }, "a.b"],
    ["null in an array", { a: [1, [null]] }, "a[1][0]"],
    ["objects too deep", nested(DEPTH_MAX + 2), Array.from({ length: DEPTH_MAX + 1 }, () => "a").join(".")],
  ])("refuse %s, and say where", (_what, patch, path) => {
    const twin = newTwin(T0);
    expect(() => reported(twin, patch)).toThrow(TwinError);
    try {
      reported(twin, patch);
    } catch (error) {
      expect((error as TwinError).details["path"]).toBe(path);
    }
  });

  test("admit what is exactly at them", () => {
    const twin = reported(newTwin(T0), {
      a: "x".repeat(4096),
      b: 2 ** 52 - 1,
      c: -(2 ** 52),
      deep: nested(DEPTH_MAX - 1),
      ["ä".repeat(512)]: [[], { x: 1.5 }],
    });
    expect(twin.reported.version).toBe(2);
  });

  test.each(["desired", "reported", "tags"] as const)("bound the size of %s after the merge", (section) => {
    const room = SECTION_BYTES_MAX[section];
    const filled = Object.fromEntries(
      Array.from({ length: Math.floor(room / 1024) - 1 }, (_, i) => [`k${i}`, "x".repeat(1000)]),
    );
    const twin = patchTwin(newTwin(T0), section, filled, T0);
    expect(() => patchTwin(twin, section, { more: "x".repeat(3000) }, T1)).toThrow(/would have \d+ bytes/);
    expect(
      patchTwin(twin, section, { k0: null, k1: null, k2: null, more: "x".repeat(2000) }, T1),
    ).toBeTruthy();
  });
});

describe("views", () => {
  const twin = patchTwin(reported(newTwin(T0), { r: 1 }), "tags", { site: 7 }, T1);

  test("show a client its properties with versions, and neither tags nor metadata", () => {
    expect(JSON.parse(JSON.stringify(clientView(twin)))).toEqual({
      desired: { $version: 1 },
      reported: { r: 1, $version: 2 },
    });
  });

  test("show a service everything, with an etag that changes with any change", () => {
    const view = serviceView(twin);
    expect(view.tags).toEqual({ site: 7 });
    expect(view.properties.reported["$metadata"]).toMatchObject({ r: { $lastUpdated: T1 } });
    expect(serviceView(patchTwin(twin, "tags", {}, T1)).etag).not.toBe(view.etag);
  });

  test("come back from a row as they went in", () => {
    expect(JSON.stringify(decodeTwin(encodeTwin(twin)))).toBe(JSON.stringify(twin));
  });
});

describe("a difference", () => {
  test("turns any object into any other when it is merged", () => {
    const { below } = seeded("difference");
    const value = (depth: number): JsonObject[string] => {
      const kind = below(depth > 3 ? 3 : 5);
      if (kind === 0) return below(3);
      if (kind === 1) return `t${below(3)}`;
      if (kind === 2) return [below(2), "x"];
      return object(depth + 1);
    };
    const object = (depth: number): JsonObject =>
      Object.fromEntries(Array.from({ length: below(4) }, () => [`k${below(4)}`, value(depth)]));
    for (let i = 0; i < 2_000; i++) {
      const from = mergePatch(EMPTY, object(0));
      const to = mergePatch(EMPTY, object(0));
      expect(mergePatch(from, difference(from, to))).toEqual(to);
    }
  });
});
