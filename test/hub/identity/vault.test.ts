/** Secrets at rest. */
import { describe, expect, test } from "vitest";
import { Vault, VAULT_KEY_BYTES } from "../../../hub/identity/vault.ts";

const vault = new Vault(Buffer.alloc(VAULT_KEY_BYTES, 7));
const SECRET = Buffer.from("c2VjcmV0IGtleSBvZiBhIGRldmljZQ==");

describe("a vault", () => {
  test("opens what it sealed, and never seals the same twice alike", () => {
    const [one, two] = [vault.seal(SECRET, "thermo"), vault.seal(SECRET, "thermo")];
    expect(vault.open(one, "thermo")).toEqual(SECRET);
    expect(one.equals(two)).toBe(false);
    expect(one.includes(SECRET.subarray(0, 8))).toBe(false);
  });

  test("does not open under another key, or for another name", () => {
    const sealed = vault.seal(SECRET, "thermo");
    const other = new Vault(Buffer.alloc(VAULT_KEY_BYTES, 8));
    for (const attempt of [() => other.open(sealed, "thermo"), () => vault.open(sealed, "thermo2")]) {
      expect(attempt).toThrow(expect.objectContaining({ code: "SP_VAULT_SEALED" }));
    }
  });

  test("does not open what has any bit changed, or any byte cut off", () => {
    const sealed = vault.seal(SECRET, "thermo");
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const damaged = Buffer.from(sealed);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => vault.open(damaged, "thermo"), `bit ${bit}`).toThrow();
    }
    for (let length = 0; length < sealed.length; length++) {
      expect(() => vault.open(sealed.subarray(0, length), "thermo"), `${length} bytes`).toThrow(
        expect.objectContaining({ code: "SP_VAULT_SEALED" }),
      );
    }
  });

  test("takes a key of 32 bytes and no other", () => {
    expect(() => new Vault(Buffer.alloc(31))).toThrow(expect.objectContaining({ code: "SP_VAULT_KEY" }));
  });
});
