/**
 * A store that is damaged, by a disk or by somebody's hand, never makes a crash loop: it is set aside, and the
 * gateway goes on, with the devices that it knew. Real processes, real damage.
 */
import {
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { GatewayProcess } from "../support/gateway-process.ts";
import { seeded } from "../support/seed.ts";
import { sandpiper } from "./run-gateway.ts";

const PAGE_BYTES = 4096;
/** Two deaths, then the examination and the start that follows it. */
const STARTS_MAX = 4;

let gateway: GatewayProcess;
let whole: string;
let store: string;

beforeAll(async () => {
  gateway = await GatewayProcess.init("gw");
  await gateway.start();
  await gateway.client.addDevice({ deviceId: "d1" });
  await gateway.end("SIGINT");
  store = join(gateway.dir, "store");
  whole = join(gateway.workDir, "whole");
  cpSync(store, whole, { recursive: true });
}, 60_000);
afterAll(() => gateway?.[Symbol.asyncDispose]());

const database = (): string => join(store, "journal.mdb");
const setAside = (): string[] => readdirSync(gateway.dir).filter((name) => name.startsWith("store.corrupt-"));

function restoreWhole(): void {
  for (const name of [...setAside(), "store"])
    rmSync(join(gateway.dir, name), { recursive: true, force: true });
  cpSync(whole, store, { recursive: true });
}

/** Starts it as a service manager does, until it is up; how often that took. */
async function startAgain(): Promise<number> {
  for (let starts = 1; ; starts++) {
    const started = await gateway.start().then(
      () => true,
      () => false,
    );
    if (started || starts >= STARTS_MAX) return started ? starts : Infinity;
    await gateway.end("SIGKILL");
  }
}

const devices = async (): Promise<string[]> =>
  (await gateway.client.devices()).map(({ deviceId }) => deviceId);

test.for<[string, () => void, string]>([
  [
    "whose first pages are zeros",
    () => overwrite(0, Buffer.alloc(2 * PAGE_BYTES)),
    "does not begin as a store",
  ],
  ["that is cut off", () => truncateSync(database(), 2 * PAGE_BYTES), "is cut off"],
  ["that lost all its bytes", () => truncateSync(database(), 0), "has held data"],
])(
  "a store %s is set aside, said so, and the gateway is up at once with its devices",
  async ([, damage, words]) => {
    restoreWhole();
    damage();
    expect(await startAgain()).toBe(1);
    const { storesSetAside, storeRestored, state } = await gateway.client.status();
    expect(state).toBe("running");
    expect(storesSetAside).toMatchObject([{ reason: expect.stringContaining(words) }]);
    expect(storeRestored).toEqual({ identities: 1, routes: false });
    expect(await devices()).toEqual(["d1"]);
    expect(setAside()).toHaveLength(1);
    expect(gateway.log).toContain("STORE IS DAMAGED");
    await gateway.end("SIGINT");
  },
);

test("whatever page is damaged, a few starts later at most the gateway is up with its devices", async () => {
  const { below } = seeded("a random page is damaged");
  restoreWhole();
  const pages = statSync(database()).size / PAGE_BYTES;
  for (let page = 2; page < pages; page++) {
    overwrite(page * PAGE_BYTES, Buffer.from(Array.from({ length: PAGE_BYTES }, () => below(256))));
  }
  expect(await startAgain()).toBeLessThanOrEqual(STARTS_MAX);
  expect(await devices()).toEqual(["d1"]);
  await gateway.end("SIGINT");
});

test("what is not damage sets nothing aside: a store that cannot be opened is an error in words (J18)", async () => {
  restoreWhole();
  rmSync(database());
  mkdirSync(database());
  writeFileSync(join(database(), "x"), "");
  await expect(gateway.start()).rejects.toThrow("store: cannot open");
  expect(setAside()).toEqual([]);
});

test("a store of a later version is refused, left as it is, and set aside by command only", async () => {
  restoreWhole();
  const bytes = readFileSync(database());
  for (const at of [0, PAGE_BYTES]) bytes.writeUInt32LE(99, at + 28);
  writeFileSync(database(), bytes);
  await expect(gateway.start()).rejects.toThrow("store: layout 99 of its database");
  expect(readFileSync(database())).toEqual(bytes);
  const place = { cwd: gateway.workDir, env: { SANDPIPER_DIR: gateway.dir } };
  expect(await sandpiper(["store", "set-aside"], place)).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^set aside: \d+ bytes in .*store\.corrupt-/),
  });
  await gateway.start();
  expect(await devices()).toEqual(["d1"]);
  expect(await sandpiper(["store", "check"], place)).toMatchObject({
    code: 1,
    err: expect.stringContaining("is running already"),
  });
  await gateway.end("SIGINT");
  expect(await sandpiper(["store", "check"], place)).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^sound: 0 messages .* 1 identities/),
  });
});

test("the store lies where storageFolder says, and no two gateways share one", async () => {
  const folder = join(gateway.workDir, "volume");
  const config = join(gateway.dir, "gateway.json");
  const before = readFileSync(config, "utf8");
  writeFileSync(config, JSON.stringify({ ...(JSON.parse(before) as object), storageFolder: "../volume" }));
  await gateway.start();
  expect(await devices()).toEqual(["d1"]);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(readdirSync(join(folder, "store"))).toContain("journal.mdb");

  const other = join(gateway.workDir, "other");
  const place = { cwd: gateway.workDir, env: { SANDPIPER_DIR: other } };
  expect(await sandpiper(["init", "--id", "other", "--storage-folder", folder], place)).toMatchObject({
    code: 0,
  });
  expect(await sandpiper(["run"], place)).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^error: storageFolder ".*volume": another gateway uses it\nhint: /),
  });
  await gateway.end("SIGINT");
  writeFileSync(config, before);

  writeFileSync(join(gateway.workDir, "file"), "");
  const wrong = { ...(JSON.parse(before) as object), storageFolder: join(gateway.workDir, "file") };
  writeFileSync(config, JSON.stringify(wrong));
  await expect(gateway.start()).rejects.toThrow("SP_STORAGE_FOLDER");
  writeFileSync(config, before);
});

function overwrite(at: number, bytes: Buffer): void {
  const file = openSync(database(), "r+");
  writeSync(file, bytes, 0, bytes.length, at);
  closeSync(file);
}
