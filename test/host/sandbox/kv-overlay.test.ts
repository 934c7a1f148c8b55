import { describe, expect, test } from "vitest";
import { STATUS } from "../../../abi/index.ts";
import { EffectSlab } from "../../../host/sandbox/effect-slab.ts";
import { KV_ENTRY_OVERHEAD_BYTES, KvOverlay } from "../../../host/sandbox/kv-overlay.ts";
import { decodeResult } from "./batches.ts";
import { random } from "./seed.ts";

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

/** Net effects since the last time, as a list of [key, value or null]. */
function drained(kv: KvOverlay): (readonly [string, string | null])[] {
  const slab = new EffectSlab();
  kv.drain(slab);
  const { buffer, bytes: length } = slab.take(new ArrayBuffer(0));
  const result = { type: "result", seq: 1, bytes: length, buffer, cpuUs: 0, poisoned: 0 } as const;
  return decodeResult(result).map((effect) => {
    if (effect.type === "put") return [effect.key, effect.value.toString("latin1")] as const;
    if (effect.type === "del") return [effect.key, null] as const;
    throw new Error(effect.type);
  });
}

function scan(kv: KvOverlay, prefix: string): string[] {
  const keys: string[] = [];
  for (let key = kv.next(prefix, ""); key !== undefined; key = kv.next(prefix, key)) keys.push(key);
  return keys;
}

describe("the key-value overlay", () => {
  test("behaves like a sorted map with undo, and its net effects lead from the old image to the new [A1, J4]", () => {
    const { next, seed } = random();
    const committed = new Map([
      ["a", "1"],
      ["b\u00ff", "2"],
    ]);
    const kv = new KvOverlay(
      [...committed].map(([k, v]) => [bytes(k), bytes(v)] as const),
      1e6,
    );
    let model = new Map(committed);
    const key = (): string => String.fromCharCode(97 + next(3), 250 + next(6)).slice(0, 1 + next(2));
    for (let round = 0; round < 3000; round++) {
      const before = new Map(model);
      kv.begin();
      for (let i = next(6); i > 0; i--) {
        const k = key();
        if (next(3) === 0) expect(kv.del(k), `seed ${seed}`).toBe(model.delete(k) ? 0 : STATUS.ABSENT);
        else {
          const v = String(next(100));
          kv.put(k, bytes(v));
          model.set(k, v);
        }
        if (next(4) === 0) {
          const prefix = key().slice(0, 1);
          const expected = [...model.keys()].filter((name) => name.startsWith(prefix)).sort();
          expect(scan(kv, prefix), `seed ${seed}, round ${round}`).toEqual(expected);
        }
      }
      if (next(4) === 0) {
        kv.drop();
        model = before;
      } else kv.commit();
      for (const [k, v] of model) expect(Buffer.from(kv.get(k)!).toString("latin1"), `seed ${seed}`).toBe(v);
      if (next(3) > 0) continue;
      for (const [k, v] of drained(kv)) {
        if (v === null) expect(committed.delete(k), `seed ${seed}: a delete of nothing`).toBe(true);
        else committed.set(k, v);
      }
      expect(committed, `seed ${seed}, round ${round}`).toEqual(model);
    }
  });

  test("counts every entry against the quota, overhead included, and gives back what is deleted or dropped", () => {
    const room = 3 * (KV_ENTRY_OVERHEAD_BYTES + 2);
    const kv = new KvOverlay([], room);
    kv.begin();
    for (const k of ["a", "b", "c"]) expect(kv.put(k, bytes("1"))).toBe(0);
    expect(kv.put("d", bytes("1"))).toBe(STATUS.QUOTA);
    expect(kv.put("a", bytes("2"))).toBe(0);
    kv.drop();
    kv.begin();
    for (const k of ["a", "b", "c"]) expect(kv.put(k, bytes("1"))).toBe(0);
    kv.commit();
    kv.begin();
    expect(kv.del("b")).toBe(0);
    expect(kv.put("d", bytes("1"))).toBe(0);
    expect(kv.put("e", bytes(""))).toBe(STATUS.QUOTA);
  });

  test("an image over its quota can be read and shrunk, not grown", () => {
    const kv = new KvOverlay([[bytes("a"), bytes("12345")]], 10);
    kv.begin();
    expect(kv.put("a", bytes("123456"))).toBe(STATUS.QUOTA);
    expect(kv.put("a", bytes("1234"))).toBe(0);
    expect(kv.del("a")).toBe(0);
  });

  test("a value is copied when it is put", () => {
    const kv = new KvOverlay([], 1000);
    const value = bytes("old");
    kv.begin();
    kv.put("a", value);
    value.write("new");
    expect(Buffer.from(kv.get("a")!).toString()).toBe("old");
  });
});
