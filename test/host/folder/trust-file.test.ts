import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { keyId } from "../../../abi/index.ts";
import { gatewayPaths, initGateway } from "../../../host/folder/gateway-folder.ts";
import { addTrustedKey, listTrustedKeys, removeTrustedKey } from "../../../host/folder/trust-file.ts";

let parent: string;
let file: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "sp-trust-"));
  file = (await initGateway(join(parent, "gw"))).trust;
});
afterEach(() => rm(parent, { recursive: true }));

function newKey(type: "ed25519" | "x25519" = "ed25519"): { id: string; spki: string; pkcs8: string } {
  const { publicKey, privateKey } =
    type === "ed25519" ? generateKeyPairSync("ed25519") : generateKeyPairSync("x25519");
  const spki = publicKey.export({ type: "spki", format: "pem" }).toString();
  return {
    id: keyId(publicKey),
    spki,
    pkcs8: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

test("a fresh gateway trusts nobody, in a form that the agent reads", async () => {
  expect(await listTrustedKeys(file)).toEqual([]);
});

test("a key that was added is trusted under its name, and can be removed by name or id", async () => {
  const [one, two] = [newKey(), newKey()];
  await addTrustedKey(file, "one", one.spki);
  await addTrustedKey(file, "two", two.spki);
  expect(await listTrustedKeys(file)).toEqual([
    { name: "one", keyId: one.id },
    { name: "two", keyId: two.id },
  ]);
  await removeTrustedKey(file, "one");
  await removeTrustedKey(file, two.id);
  expect(await listTrustedKeys(file)).toEqual([]);
});

test("a key that is trusted already keeps its name", async () => {
  const { id, spki } = newKey();
  await addTrustedKey(file, "first", spki);
  expect(await addTrustedKey(file, "second", spki)).toEqual({ name: "first", keyId: id });
});

test.for<[what: string, pem: () => string, why: string]>([
  ["a private key", () => newKey().pkcs8, "is a private key"],
  ["a key of another kind", () => newKey("x25519").spki, "x25519, expected ed25519"],
  ["what is no key", () => "hello", "not a public key in PEM form"],
])("%s is refused, and nothing is written", async ([, pem, why]) => {
  const before = await readFile(file, "utf8");
  await expect(addTrustedKey(file, "it", pem())).rejects.toThrow(`public key: ${why}`);
  expect(await readFile(file, "utf8")).toBe(before);
});

test("a name stands for one key", async () => {
  await addTrustedKey(file, "release", newKey().spki);
  await expect(addTrustedKey(file, "release", newKey().spki)).rejects.toMatchObject({ code: "SP_TRUST_KEY" });
  await expect(removeTrustedKey(file, "nobody")).rejects.toMatchObject({ code: "SP_TRUST_KEY" });
});

test("a policy that was damaged is not written over", async () => {
  await writeFile(file, "{}");
  await expect(addTrustedKey(file, "it", newKey().spki)).rejects.toMatchObject({ code: "SP_TRUST_FORMAT" });
  expect(await readFile(gatewayPaths(join(parent, "gw")).trust, "utf8")).toBe("{}");
});
