import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readGatewayConfig } from "../../../host/folder/gateway-config.ts";
import { gatewayPaths, initGateway } from "../../../host/folder/gateway-folder.ts";

let parent: string;
let dir: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "sp-folder-"));
  dir = join(parent, "deep", "gateway");
});
afterEach(() => rm(parent, { recursive: true }));

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

test("init makes a private folder that a gateway can start from", async () => {
  const paths = await initGateway(dir, { hostname: "edge-7.site.example" });
  expect(await modeOf(dir)).toBe(0o700);
  expect(await modeOf(paths.config)).toBe(0o600);
  expect(await modeOf(paths.vaultKey)).toBe(0o600);
  expect((await readdir(dir)).toSorted()).toEqual(
    [
      "agent",
      "artifacts",
      "gateway.json",
      "logs",
      "run",
      "store",
      "tls",
      "trust.json",
      "vault.key",
    ].toSorted(),
  );
  const config = await readGatewayConfig(paths.config);
  expect(config).toMatchObject({ gatewayId: "edge-7", hostname: "edge-7.site.example" });
});

test("init trusts nobody, and demands signatures", async () => {
  const { trust } = await initGateway(dir);
  expect(JSON.parse(await readFile(trust, "utf8"))).toMatchObject({ policy: "require-signature", keys: [] });
});

test("an address has no label to name the gateway after", async () => {
  const { config } = await initGateway(dir, { hostname: "192.0.2.7" });
  expect((await readGatewayConfig(config)).gatewayId).toBe("gateway");
});

test("a gateway is never initialised over", async () => {
  const { config } = await initGateway(dir, { gatewayId: "first" });
  await expect(initGateway(dir, { gatewayId: "second" })).rejects.toMatchObject({ code: "SP_FOLDER_EXISTS" });
  expect((await readGatewayConfig(config)).gatewayId).toBe("first");
});

test("a folder with something else in it is left alone", async () => {
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, "thesis.txt"), "");
  await expect(initGateway(dir)).rejects.toThrow("not empty, and not a gateway");
  expect(await readdir(dir)).toEqual(["thesis.txt"]);
});

test("an empty folder, as a mounted volume is, becomes the gateway's", async () => {
  await mkdir(join(dir, "lost+found"), { recursive: true });
  const paths = await initGateway(dir);
  await readGatewayConfig(paths.config);
  expect(await modeOf(dir)).toBe(0o700);
});

test("an option that the configuration cannot hold leaves nothing behind", async () => {
  await expect(initGateway(dir, { gatewayId: "a/b" })).rejects.toMatchObject({ code: "SP_CONFIG_INVALID" });
  expect(await readdir(parent)).toEqual([]);
});

test("a folder that cannot be made is an error that names it", async () => {
  await writeFile(join(parent, "file"), "");
  const inside = join(parent, "file", "gateway");
  await expect(initGateway(inside)).rejects.toMatchObject({ code: "SP_FOLDER_IO" });
  expect(gatewayPaths(inside).dir).toBe(inside);
});
