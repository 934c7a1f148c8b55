/** The registry: what it refuses, what goes with what, and what of it can be read on disk. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { HubConfig, NewIdentity } from "../../../hub/face.ts";
import { LocalHub } from "../../../hub/hub.ts";
import { keysOf } from "../../../hub/identity/identity.ts";
import { newKeys } from "../../../hub/identity/keys.ts";
import { TEST_STORE } from "../../support/hub.ts";
import { tempDir } from "../../support/temp-dir.ts";

const KEY = Buffer.alloc(32, 1);
const OTHER_KEY = Buffer.alloc(32, 2);

const keyed = (deviceId: string, fields: Partial<NewIdentity> = {}): NewIdentity => ({
  deviceId,
  authentication: { type: "sas", ...newKeys() },
  enabled: true,
  ...fields,
});
const pinned = (deviceId: string, primaryThumbprint: string, secondaryThumbprint = ""): NewIdentity => ({
  deviceId,
  authentication: { type: "selfSigned", primaryThumbprint, secondaryThumbprint },
  enabled: true,
});

interface Opened extends AsyncDisposable {
  readonly hub: LocalHub;
}

async function open(storeDir: string, config: Partial<HubConfig> = {}): Promise<Opened> {
  const hub = new LocalHub((error) => {
    throw error;
  });
  await hub.start({ gatewayId: "gw", storeDir, listeners: [], store: TEST_STORE, ...config });
  return { hub, [Symbol.asyncDispose]: () => hub.close() };
}

/** Which of the texts are in the clear in some file of the folder. */
const readable = (dir: string, texts: readonly string[]): string[] =>
  texts.filter((text) =>
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .some((entry) => readFileSync(join(entry.parentPath, entry.name)).includes(text)),
  );

test("keys are in no file of a store that has a key, and are there again after a restart", async () => {
  const dir = await tempDir();
  const one = keyed("d1");
  const keys = "authentication" in one && one.authentication.type === "sas" ? one.authentication : newKeys();
  const texts = [keys.primaryKey, keys.secondaryKey];
  {
    await using opened = await open(dir, { vaultKey: KEY });
    await opened.hub.addIdentity(one);
  }
  expect(readable(dir, texts)).toEqual([]);
  {
    await using opened = await open(dir, { vaultKey: KEY });
    expect((await opened.hub.identities()).map(keysOf)).toEqual([texts]);
  }
  const plain = await tempDir();
  {
    await using opened = await open(plain);
    await opened.hub.addIdentity(one);
  }
  expect(readable(plain, texts)).toEqual(texts); // the look finds what is there
});

test("another key, or none, is refused, and the right one finds everything", async () => {
  const dir = await tempDir();
  {
    await using opened = await open(dir, { vaultKey: KEY });
    await opened.hub.addIdentity(keyed("d1"));
  }
  await expect(open(dir, { vaultKey: OTHER_KEY })).rejects.toMatchObject({ code: "SP_VAULT_SEALED" });
  await expect(open(dir)).rejects.toMatchObject({ code: "SP_VAULT_FILE" });
  await expect(open(dir, { vaultKey: Buffer.alloc(5) })).rejects.toMatchObject({ code: "SP_VAULT_KEY" });
  await using opened = await open(dir, { vaultKey: KEY });
  expect(await opened.hub.identities()).toHaveLength(1);
});

test("rows in the clear, with keys at the top level, are sealed at the first start with a key", async () => {
  const dir = await tempDir();
  const old = { deviceId: "d1", ...newKeys(), enabled: true };
  {
    await using opened = await open(dir);
    await opened.hub.addIdentity(old);
  }
  let generation: string;
  {
    await using opened = await open(dir, { vaultKey: KEY });
    const [found] = await opened.hub.identities();
    expect(keysOf(found!)).toEqual([old.primaryKey, old.secondaryKey]);
    generation = found!.generationId;
  }
  await expect(open(dir)).rejects.toMatchObject({ code: "SP_VAULT_FILE" });
  await using opened = await open(dir, { vaultKey: KEY });
  expect((await opened.hub.identities()).map(({ generationId }) => generationId)).toEqual([generation]);
});

test("an identity of the same name is of another generation", async () => {
  await using opened = await open(await tempDir());
  const { hub } = opened;
  const generation = async () => (await hub.identities())[0]?.generationId;
  await hub.addIdentity(keyed("d1"));
  const first = await generation();
  await hub.changeIdentity({ deviceId: "d1", enabled: false });
  expect(await generation()).toBe(first);
  await hub.removeIdentity("d1");
  await hub.addIdentity(keyed("d1"));
  expect(await generation()).toMatch(/^[0-9a-f]{16}$/);
  expect(await generation()).not.toBe(first);
});

test("a child has a parent that is there, and none of them is above itself", async () => {
  await using opened = await open(await tempDir());
  const { hub } = opened;
  const parents = async () =>
    Object.fromEntries((await hub.identities()).map(({ deviceId, parent }) => [deviceId, parent ?? null]));
  const refused = { code: "SP_IDENTITY_PARENT" };
  await hub.addIdentity(keyed("a", { parent: "gw" }));
  await hub.addIdentity(keyed("b", { parent: "a" }));
  await hub.addIdentity(keyed("c", { parent: "b" }));
  await expect(hub.addIdentity(keyed("d", { parent: "nobody" }))).rejects.toMatchObject(refused);
  await expect(hub.addIdentity(keyed("d", { parent: "d" }))).rejects.toMatchObject(refused);
  await expect(hub.addIdentity(keyed("d", { moduleId: "m", parent: "a" }))).rejects.toMatchObject(refused);
  await expect(hub.changeIdentity({ deviceId: "a", parent: "c" })).rejects.toMatchObject(refused);
  expect(await parents()).toEqual({ a: "gw", b: "a", c: "b" });
  await hub.changeIdentity({ deviceId: "b", parent: null });
  await hub.changeIdentity({ deviceId: "a", parent: "c" });
  expect(await parents()).toEqual({ a: "c", b: null, c: "b" });
  await hub.removeIdentity("c");
  expect(await parents()).toEqual({ a: null, b: null });
});

test("modules go with their device", async () => {
  await using opened = await open(await tempDir());
  const { hub } = opened;
  for (const one of [keyed("d1"), keyed("d1", { moduleId: "m" }), keyed("d2", { moduleId: "m" })])
    await hub.addIdentity(one);
  await hub.removeIdentity("d1");
  expect(await hub.identities()).toMatchObject([{ deviceId: "d2", moduleId: "m" }]);
});

test("a certificate is pinned to one device, by a thumbprint that is one", async () => {
  await using opened = await open(await tempDir());
  const { hub } = opened;
  const refused = { code: "SP_IDENTITY_CERTIFICATE" };
  const [sha1, sha256] = ["aa:".repeat(19) + "aa", "BB".repeat(32)];
  await hub.addIdentity(pinned("d1", sha1, sha256));
  await expect(hub.addIdentity(pinned("d2", sha256.toLowerCase()))).rejects.toMatchObject(refused);
  await expect(hub.addIdentity(pinned("d2", ""))).rejects.toMatchObject(refused);
  await expect(hub.addIdentity(pinned("d2", "CC".repeat(31)))).rejects.toMatchObject(refused);
  await expect(hub.addIdentity({ ...pinned("gw", "CC".repeat(32)), moduleId: "m" })).rejects.toMatchObject(
    refused,
  );
  await hub.changeIdentity({
    deviceId: "d1",
    authentication: { type: "selfSigned", primaryThumbprint: sha1, secondaryThumbprint: "" },
  });
  await hub.addIdentity(pinned("d2", sha256));
  expect(await hub.identities()).toHaveLength(2);
});
