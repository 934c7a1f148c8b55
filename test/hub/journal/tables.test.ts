/** Small durable rows: the View is in memory, the group gets what changed. */
import { expect, test } from "vitest";
import { TABLE, Tables } from "../../../hub/journal/tables.ts";

const bytes = (text: string): Buffer => Buffer.from(text);
const changes = (tables: Tables): [string, string | null][] =>
  tables.takeChanges().map(({ key, value }) => [key.toString("latin1"), value?.toString() ?? null]);

test("a row is seen at once, and taken once [J11]", () => {
  const tables = new Tables();
  expect(tables.isDirty).toBe(false);
  tables.put(TABLE.META, "a", bytes("1"));
  expect([tables.get(TABLE.META, "a")?.toString(), tables.isDirty]).toEqual(["1", true]);
  expect(changes(tables)).toEqual([["\x01a", "1"]]);
  expect([tables.isDirty, changes(tables)]).toEqual([false, []]);
});

test("changes of one row between two groups are one change [J4]", () => {
  const tables = new Tables();
  tables.put(TABLE.META, "a", bytes("1"));
  tables.put(TABLE.META, "a", bytes("2"));
  tables.put(TABLE.META, "b", bytes("1"));
  tables.delete(TABLE.META, "b");
  expect(changes(tables)).toEqual([
    ["\x01a", "2"],
    ["\x01b", null],
  ]);
});

test("what is put lazily is seen at once, makes no group, and rides with the next [J23]", () => {
  const tables = new Tables();
  tables.putLazily(TABLE.META, "a", bytes("1"));
  expect([tables.get(TABLE.META, "a")?.toString(), tables.isDirty]).toEqual(["1", false]);
  tables.put(TABLE.META, "b", bytes("2"));
  tables.putLazily(TABLE.META, "b", bytes("3"));
  expect(changes(tables)).toEqual([
    ["\x01b", "3"],
    ["\x01a", "1"],
  ]);
  tables.putLazily(TABLE.META, "a", bytes("4"));
  tables.delete(TABLE.META, "a");
  expect(changes(tables), "a row that is gone does not come back").toEqual([["\x01a", null]]);
  tables.putLazily(TABLE.META, "c", bytes("5"));
  tables.hurry();
  expect(tables.isDirty, "nothing may come after it").toBe(true);
});

test("deleting what is not there changes nothing", () => {
  const tables = new Tables();
  tables.delete(TABLE.META, "a");
  expect(tables.isDirty).toBe(false);
});

test("tables do not see each other's rows, and a prefix finds its own", () => {
  const tables = new Tables();
  tables.put(TABLE.KV, "m1:a", bytes("1"));
  tables.put(TABLE.KV, "m1:b", bytes("2"));
  tables.put(TABLE.KV, "m2:a", bytes("3"));
  tables.put(TABLE.META, "m1:a", bytes("other"));
  const found = [...tables.entries(TABLE.KV, "m1:")].map(([key, value]) => [key, value.toString()]);
  expect(found).toEqual([
    ["m1:a", "1"],
    ["m1:b", "2"],
  ]);
  expect([...tables.entries(TABLE.ROUTES)]).toEqual([]);
});

test("keys are binary, and come back as they were", () => {
  const first = new Tables();
  const key = Buffer.from([0, 1, 127, 128, 255]).toString("latin1");
  first.put(TABLE.KV, key, bytes("x"));
  first.put(TABLE.KV, "__proto__", bytes("harmless"));
  const second = new Tables();
  second.load(first.takeChanges());
  expect([...second.entries(TABLE.KV)].map(([found]) => found)).toEqual([key, "__proto__"]);
  expect(second.isDirty, "what was loaded is not written again").toBe(false);
});
