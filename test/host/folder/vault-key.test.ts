/** The file of the key of keys, and the copy of the identities that is sealed under it. */
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SandpiperError } from "../../../abi/index.ts";
import { encodeBackup, IdentityBackup, sealedBackup } from "../../../host/store/identity-backup.ts";
import { takeVaultKey } from "../../../host/folder/vault-key.ts";
import type { Identity } from "../../../hub/index.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { quietLog } from "../fake-parts.ts";

test("it is made for its owner alone, and is the same from then on", async () => {
  const file = join(await tempDir(), "vault.key");
  const { key } = await takeVaultKey(file);
  expect(key).toHaveLength(32);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(Buffer.from((await takeVaultKey(file)).key)).toEqual(Buffer.from(key));
});

test.for([0o640, 0o604, 0o660])("it is refused with mode %o, and is left as it is", async (mode) => {
  const file = join(await tempDir(), "vault.key");
  await takeVaultKey(file);
  const text = readFileSync(file, "utf8");
  chmodSync(file, mode);
  await expect(takeVaultKey(file)).rejects.toMatchObject({
    code: "SP_VAULT_FILE",
    hint: `chmod 600 ${file}`,
  });
  expect(readFileSync(file, "utf8")).toBe(text);
});

test.for([
  ["cut off", 20],
  ["empty", 0],
] as const)("it is refused when it is %s, without a word of it", async ([, length]) => {
  const file = join(await tempDir(), "vault.key");
  await takeVaultKey(file);
  const text = readFileSync(file, "utf8").slice(0, length);
  writeFileSync(file, text);
  const error = (await takeVaultKey(file).catch((thrown: unknown) => thrown)) as SandpiperError;
  expect(error.code).toBe("SP_VAULT_KEY");
  if (text !== "") expect(JSON.stringify([error.message, error.hint, error.details])).not.toContain(text);
});

test("one that was made while another was needed is taken away again; one that was there never", async () => {
  const file = join(await tempDir(), "vault.key");
  const sealed = new SandpiperError("SP_VAULT_SEALED", "does not open");
  const fresh = await takeVaultKey(file);
  await expect(fresh.explain(new SandpiperError("SP_STORE_OPEN", "x"))).rejects.toMatchObject({
    code: "SP_STORE_OPEN",
  });
  expect(existsSync(file)).toBe(true);
  await expect(fresh.explain(sealed)).rejects.toMatchObject({ code: "SP_VAULT_FILE" });
  expect(existsSync(file)).toBe(false);
  await takeVaultKey(file);
  await expect((await takeVaultKey(file)).explain(sealed)).rejects.toBe(sealed);
  expect(existsSync(file)).toBe(true);
});

const SECRET = "cHJpbWFyeQ==";
const identity: Identity = {
  deviceId: "d1",
  authentication: { type: "sas", primaryKey: SECRET, secondaryKey: SECRET },
  enabled: true,
  generationId: "g1",
};
const backupOf = (file: string, key: number) =>
  new IdentityBackup({
    file,
    hub: { identities: async () => [identity] },
    log: quietLog,
    codec: sealedBackup(Buffer.alloc(32, key)),
  });

test("the copy shows no key, is read under its own, and refused under another", async () => {
  const file = join(await tempDir(), "identities.backup");
  const backup = backupOf(file, 1);
  backup.changed();
  await backup.close();
  const bytes = readFileSync(file);
  expect(bytes.includes(SECRET)).toBe(false);
  expect(await backupOf(file, 1).read()).toEqual({ identities: [identity], routes: null });
  await expect(backupOf(file, 2).read()).rejects.toMatchObject({ code: "SP_VAULT_SEALED" });
  expect(readFileSync(file)).toEqual(bytes);
});

test("a copy that is damaged is one to go on without; one in the clear can still be read", async () => {
  const file = join(await tempDir(), "identities.backup");
  const backup = backupOf(file, 1);
  backup.changed();
  await backup.close();
  const bytes = readFileSync(file);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(file, bytes);
  expect(await backupOf(file, 1).read()).toBeNull();
  writeFileSync(file, encodeBackup({ identities: [identity], routes: null }));
  expect(await backupOf(file, 1).read()).toEqual({ identities: [identity], routes: null });
});
