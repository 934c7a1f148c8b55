/**
 * Twins against a plain model: patches of every kind by clients and operators, followers that come and go, and a
 * hub that crashes with a group gathered. Whatever was answered is there afterwards; versions only grow by one;
 * and a follower that applies what it is pushed ends with what the twin has.
 */
import { afterEach, expect, test } from "vitest";
import { MemoryStore } from "../../../hub/journal/memory-store.ts";
import type { JsonObject, JsonValue } from "../../../hub/twins/limits.ts";
import { EMPTY, mergePatch } from "../../../hub/twins/merge.ts";
import { keyOf } from "../../../hub/twins/twins.ts";
import { ClientBench } from "../../support/client-bench.ts";
import { seeded } from "../../support/seed.ts";

const NAME = { deviceId: "d", moduleId: null };
const KEY = keyOf(NAME);
const STEPS = 1_500;
const KEYS = ["a", "b", "c"];

let bench: ClientBench;
afterEach(() => bench[Symbol.asyncDispose]());

/** One state of the sections, as the model has it. */
interface State {
  readonly desired: JsonObject;
  readonly reported: JsonObject;
  readonly tags: JsonObject;
  readonly versions: { readonly desired: number; readonly reported: number };
}

const NEW: State = { desired: EMPTY, reported: EMPTY, tags: EMPTY, versions: { desired: 1, reported: 1 } };
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test("behave like JSON documents with versions, over crashes; a follower ends with what the twin has [J1 J8 J9]", async () => {
  const { below } = seeded("twins");
  bench = new ClientBench();
  await bench.identity("d");
  /** States since the last that was known to be durable; after a crash one of them must be there. */
  let states: State[] = [NEW];
  /** What the follower has, as far as it was pushed while it was there. */
  let followed: JsonObject | null = null;
  let isThere = false;

  const value = (depth: number): JsonValue => {
    const kind = below(depth > 2 ? 3 : 5);
    if (kind === 0) return below(100);
    if (kind === 1) return `t${below(10)}`;
    if (kind === 2) return below(2) === 0;
    if (kind === 3) return [below(5), below(5)];
    return Object.fromEntries(KEYS.filter(() => below(2) === 0).map((key) => [key, value(depth + 1)]));
  };
  const patchOf = (): JsonObject =>
    Object.fromEntries(
      KEYS.filter(() => below(2) === 0).map((key) => [key, below(4) === 0 ? null : value(0)]),
    );

  const apply = (section: "desired" | "reported" | "tags", patch: JsonObject, replaces: boolean): State => {
    const now = states.at(-1)!;
    const values = mergePatch(replaces ? EMPTY : now[section], patch);
    const versions =
      section === "tags" ? now.versions : { ...now.versions, [section]: now.versions[section] + 1 };
    return { ...now, [section]: values, versions };
  };

  const check = async (): Promise<void> => {
    const { desired, reported, tags } = await bench.twins.get(NAME);
    const found = {
      desired: desired.values,
      reported: reported.values,
      tags,
      versions: { desired: desired.version, reported: reported.version },
    };
    const at = states.findIndex((state) => text(state) === text(found));
    expect(states.map(text)).toContain(text(found));
    states = [states[at]!];
  };

  const comeBack = async (): Promise<void> => {
    const missed = await bench.twins.missed(NAME);
    if (missed !== null) followed = mergePatch(followed!, JSON.parse(missed.patch.toString()) as JsonObject);
    isThere = true;
    expect(text(followed)).toBe(text((await bench.twins.get(NAME)).desired.values));
  };

  const listen = (): void => {
    const own = bench;
    bench.twins.onDesired((_name, patch) => {
      if (isThere && own === bench)
        followed = mergePatch(followed!, JSON.parse(patch.toString()) as JsonObject);
    });
  };
  listen();

  for (let step = 0; step < STEPS; step++) {
    const choice = below(20);
    if (choice < 12) {
      const section = (["desired", "reported", "tags"] as const)[below(3)]!;
      const [patch, replaces] = [patchOf(), below(4) === 0];
      states.push(apply(section, patch, replaces));
      const changing = bench.twins.change(NAME, { section, patch, replaces });
      if (below(3) > 0) {
        await changing;
        states = [states.at(-1)!];
      }
    } else if (choice === 12 && followed === null) {
      await check();
      bench.twins.followers.follow(KEY);
      await bench.bench.engine.journal.durable();
      followed = states[0]!.desired;
      isThere = true;
    } else if (choice === 13 && followed !== null && isThere) {
      isThere = false;
    } else if (choice === 14 && followed !== null && !isThere) {
      await comeBack();
    } else if (choice === 15) {
      const before = bench;
      bench = new ClientBench({ store: crashed(before.bench.store) });
      await before[Symbol.asyncDispose]();
      listen();
      isThere = false;
      await check();
      if (followed !== null) await comeBack();
    } else if (choice === 16) {
      await check();
    }
  }
  expect(states.at(-1)!.versions.desired).toBeGreaterThan(STEPS / 20);
});

/** What is left of a store when the hub ends now: the rows of the groups it has been given. */
function crashed(store: MemoryStore): MemoryStore {
  const left = new MemoryStore();
  const { rows, poweredMs, wallMs } = store.load();
  left.apply({ appends: [], cursors: [], deletedLanes: [], rows: [...rows], poweredMs, wallMs });
  return left;
}

const text = (state: unknown): string => JSON.stringify(sorted(plain(state)));

/** Keys in one order: a patch may bring them in another. */
function sorted(found: unknown): unknown {
  if (Array.isArray(found)) return found.map(sorted);
  if (typeof found !== "object" || found === null) return found;
  return Object.fromEntries(
    Object.entries(found)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => [key, sorted(value)]),
  );
}
