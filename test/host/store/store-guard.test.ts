/** What is done with a store that cannot be read, and what is kept for that day. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { SandpiperError } from "../../../abi/index.ts";
import {
  BACKUP_BYTES_MAX,
  decodeBackup,
  encodeBackup,
  IdentityBackup,
} from "../../../host/store/identity-backup.ts";
import { listSetAside, setAside, SET_ASIDE_MAX } from "../../../host/store/set-aside.ts";
import { corruptionIn, StoreGuard } from "../../../host/store/store-guard.ts";
import {
  currentBootId,
  deathsSoFar,
  isInDoubt,
  NEW_STORE,
  readStoreState,
  reasonToSetAside,
  writeStoreState,
  type StorePhase,
} from "../../../host/store/store-state.ts";
import type { Identity, StoreVerdict } from "../../../hub/index.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { quietLog } from "../fake-parts.ts";

const device = (deviceId: string): Identity => ({
  deviceId,
  authentication: { type: "sas", primaryKey: "cHJpbWFyeQ==", secondaryKey: "c2Vjb25kYXJ5" },
  enabled: true,
  generationId: "g1",
});

test.for<[string, StorePhase, string, number]>([
  ["while it was opened", "opening", "boot", 3],
  ["soon after", "running", "boot", 3],
  ["long after", "steady", "boot", 0],
  ["in order", "closed", "boot", 0],
  ["in another boot, perhaps of the power", "opening", "other", 0],
])("a process that ended %s counts as a death, or not", ([, phase, bootId, deaths]) => {
  expect(deathsSoFar({ ...NEW_STORE, phase, bootId, deaths: 2 }, "boot")).toBe(deaths);
});

test("every third death in a row raises the question", () => {
  expect([0, 1, 2, 3, 4, 5, 6].map(isInDoubt)).toEqual([false, false, false, true, false, false, true]);
});

const SOUND: StoreVerdict = {
  state: "sound",
  queues: 0,
  messages: 0,
  messageBytes: 0,
  identities: 0,
  fileBytes: 0,
  usedBytes: 0,
};
test.for<[string, StorePhase, number, StoreVerdict, string | null]>([
  ["damage that was found", "running", 0, { state: "damaged", code: "SP_STORE_CORRUPT", what: "x" }, "x"],
  ["pages that end whoever reads them", "running", 3, { state: "died", signal: "SIGSEGV" }, "SIGSEGV"],
  ["nothing found after deaths at work", "running", 3, SOUND, null],
  ["nothing found after deaths at opening", "opening", 3, SOUND, "3 processes in a row died"],
  ["an examination that somebody ended", "running", 3, { state: "died", signal: "SIGTERM" }, null],
  ["a disk that answers EIO (J18)", "opening", 3, { state: "unreadable", code: "EIO", what: "x" }, null],
  ["no answer", "running", 3, { state: "unknown", what: "SIGKILL" }, null],
])("whether a store is set aside: %s", ([, phase, deaths, verdict, reason]) => {
  const found = reasonToSetAside(phase, deaths, verdict);
  if (reason === null) expect(found).toBeNull();
  else expect(found).toContain(reason);
});

test("only damage sets a store aside, by its code, also where it is the cause of another error", () => {
  const damage = new SandpiperError("SP_STORE_CORRUPT", "store: a page is damaged");
  expect(corruptionIn(damage)).toBe("a page is damaged");
  expect(corruptionIn(new SandpiperError("SP_HUB_ENDED", "ended", { cause: damage }))).toBe(
    "a page is damaged",
  );
  for (const code of ["SP_STORE_OPEN", "SP_STORE_FORMAT", "EIO", "ENOSPC"])
    expect(corruptionIn(new SandpiperError(code, "x"))).toBeNull();
});

test("stores set aside are kept whole with a note of why, the latest few of them", async () => {
  const storeDir = join(await tempDir(), "store");
  for (let n = 0; n <= SET_ASIDE_MAX; n++) {
    mkdirSync(storeDir);
    writeFileSync(join(storeDir, "journal.mdb"), `store ${n}`);
    await setAside(storeDir, `reason ${n}`, n < 2 ? 0 : n * 1_000);
  }
  const kept = await listSetAside(storeDir);
  expect(kept.map(({ reason }) => reason)).toEqual(["reason 3", "reason 2", "reason 1"]);
  expect(kept.map(({ bytes }) => bytes)).toEqual([7, 7, 7]);
  expect(readFileSync(join(kept[0]!.path, "journal.mdb"), "utf8")).toBe("store 3");
});

function guardOver(root: string) {
  const storeDir = join(root, "store");
  const hub = { identities: async (): Promise<readonly Identity[]> => [] };
  const backup = new IdentityBackup({ file: join(root, "identities.backup"), hub, log: quietLog });
  return { storeDir, backup, guard: new StoreGuard({ storeDir, backup, log: quietLog }) };
}

test("a store's file without a byte is a new store, unless it has held data", async () => {
  const { storeDir, guard } = guardOver(await tempDir());
  mkdirSync(storeDir);
  writeFileSync(join(storeDir, "journal.mdb"), "");
  await guard.beforeOpening();
  expect(guard.news.setAside).toEqual([]);
  await guard.opened();
  await guard.closed();
  await guard.beforeOpening();
  expect(guard.news.setAside).toMatchObject([{ reason: "its file is empty, and has held data" }]);
  expect(await readStoreState(storeDir)).toMatchObject({ phase: "opening", hasData: false });
});

test("a store in the hands of which two processes died is opened once more without a question", async () => {
  const { storeDir, guard } = guardOver(await tempDir());
  mkdirSync(storeDir);
  writeFileSync(join(storeDir, "journal.mdb"), "x");
  const state = { ...NEW_STORE, phase: "opening" as const, bootId: currentBootId(), hasData: true };
  await writeStoreState(storeDir, { ...state, deaths: 1 });
  await guard.beforeOpening();
  expect(await readStoreState(storeDir)).toMatchObject({ phase: "opening", deaths: 2 });
  expect(guard.news.setAside).toEqual([]);
});

test("an empty store begins with what was kept outside it", async () => {
  const root = await tempDir();
  const kept = { identities: [device("d1")], routes: { routes: {}, timeToLiveSecs: 7200 } };
  writeFileSync(join(root, "identities.backup"), encodeBackup(kept));
  const { guard, storeDir } = guardOver(root);
  expect(await guard.beforeOpening()).toEqual(kept);
  expect(guard.news.restored).toEqual({ identities: 1, routes: true });
  writeFileSync(join(storeDir, "journal.mdb"), "opened");
  await guard.opened();
  expect(await guard.beforeOpening()).toBeNull();
});

test("the copy is written once for many changes, at once for a removal, and for its owner alone", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const file = join(await tempDir(), "identities.backup");
    let identities = [device("d1"), device("d2")];
    let asked = 0;
    const hub = { identities: async () => (asked++, identities) };
    const backup = new IdentityBackup({ file, hub, log: quietLog });
    for (let n = 0; n < 100; n++) backup.changed();
    vi.advanceTimersByTime(1_000);
    await vi.waitFor(() => expect(decodeBackup(readFileSync(file, "utf8")).identities).toHaveLength(2));
    expect(asked).toBe(1);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    backup.changed();
    identities = [device("d1")];
    backup.changed(0);
    vi.advanceTimersByTime(0);
    await vi.waitFor(() => expect(decodeBackup(readFileSync(file, "utf8")).identities).toHaveLength(1));
    backup.routesChanged({ routes: {}, timeToLiveSecs: 1 });
    await backup.close();
    expect(decodeBackup(readFileSync(file, "utf8")).routes).toEqual({ routes: {}, timeToLiveSecs: 1 });
  } finally {
    vi.useRealTimers();
  }
});

test("a copy that would be too large leaves the last one that fitted", async () => {
  const root = await tempDir();
  const file = join(root, "identities.backup");
  const hub = { identities: async () => [{ ...device("d1"), generationId: "g".repeat(BACKUP_BYTES_MAX) }] };
  const backup = new IdentityBackup({ file, hub, log: quietLog });
  backup.changed();
  await backup.close();
  expect(readdirSync(root)).toEqual([]);
});

test.for<[string, (text: string) => string]>([
  ["cut off", (text) => text.slice(0, -10)],
  ["with one letter of a key changed", (text) => text.replace("cHJpb", "cHJpc")],
  ["of a later version", (text) => text.replace('"format":1', '"format":2')],
])("a copy that is damaged is not used: %s", async ([, damage]) => {
  const file = join(await tempDir(), "identities.backup");
  writeFileSync(file, damage(encodeBackup({ identities: [device("d1")], routes: null })));
  const log = { ...quietLog, error: vi.fn() };
  const backup = new IdentityBackup({ file, hub: { identities: async () => [] }, log });
  expect(await backup.read()).toBeNull();
  expect(log.error).toHaveBeenCalledOnce();
});
