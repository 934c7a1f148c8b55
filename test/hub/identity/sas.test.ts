import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { newKey, newKeys } from "../../../hub/identity/keys.ts";
import {
  createSasToken,
  parseSasToken,
  verifySasToken,
  type SasAudience,
} from "../../../hub/identity/sas.ts";

const KEY = Buffer.from("0123456789abcdef0123456789abcdef").toString("base64");
const OTHER = Buffer.from("another key, as long as a key is").toString("base64");
const NOW_MS = 1_700_000_000_000;
const SE = 1_700_003_600;
const device: SasAudience = { hosts: ["hub.example.net", "gateway"], deviceId: "dev1", moduleId: null };
const module: SasAudience = { ...device, moduleId: "mod1" };

const verify = (token: string, audience = device, keys: readonly string[] = [KEY], nowMs = NOW_MS) => {
  const verdict = verifySasToken(token, audience, keys, nowMs);
  return verdict.ok ? "ok" : verdict.reason;
};
const make = (resource: string, key = KEY, se = SE) => createSasToken(resource, key, se);
/** By hand, so that the tests do not believe what `createSasToken` believes. */
function signed(sr: string, extra = "", key = KEY): string {
  const sig = createHmac("sha256", Buffer.from(key, "base64")).update(`${sr}\n${SE}`).digest("base64");
  return `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(sig)}&se=${SE}${extra}`;
}

describe("a token", () => {
  it("is made as IoT Hub's documentation makes it", () => {
    expect(make("hub.example.net/devices/dev1")).toBe(signed("hub.example.net%2Fdevices%2Fdev1"));
  });

  it("signed with either key opens the door, and tells when it expires", () => {
    const token = make("hub.example.net/devices/dev1");
    expect(verify(token, device, [KEY, OTHER])).toBe("ok");
    expect(verify(token, device, [OTHER, KEY])).toBe("ok");
    expect(verifySasToken(token, device, [KEY], NOW_MS)).toEqual({ ok: true, expiresMs: SE * 1000, by: KEY });
  });

  it("signed with another key does not", () => {
    const token = make("hub.example.net/devices/dev1", OTHER);
    expect(verify(token)).toBe("signature");
    expect(verify(token, device, [])).toBe("signature");
  });

  it.each(["", "AAAA", "not base64 at all"])(
    "signed with the unusable key %j does not, even when that is the identity's",
    (key) => {
      expect(verify(signed("gateway%2Fdevices%2Fdev1", "", key), device, [key])).toBe("signature");
    },
  );

  it("is signed over sr as it was sent, in whatever case and escaping", () => {
    expect(verify(signed("HUB.example.NET%2fdevices%2fDEV1"))).toBe("ok");
    expect(verify(signed("gateway/devices/dev1"))).toBe("ok");
    const moved = signed("gateway%2Fdevices%2Fdev1").replace("sr=gateway%2F", "sr=gateway%2f");
    expect(verify(moved)).toBe("signature");
  });

  it.each([
    ["another device", "gateway%2Fdevices%2Fdev2", device],
    ["another host", "evil%2Fdevices%2Fdev1", device],
    ["a whole host", "gateway", device],
    ["the device, used for its module", "gateway%2Fdevices%2Fdev1", module],
    ["a module, used for its device", "gateway%2Fdevices%2Fdev1%2Fmodules%2Fmod1", device],
    ["another module", "gateway%2Fdevices%2Fdev1%2Fmodules%2Fmod2", module],
    ["something within the device", "gateway%2Fdevices%2Fdev1%2Fmessages", device],
    ["something that cannot be unescaped", "gateway%2Fdevices%2Fdev1%ZZ", device],
  ])("for %s is for another audience", (_name, sr, audience) => {
    expect(verify(signed(sr), audience)).toBe("audience");
  });

  it("of a policy is not a device's", () => {
    expect(verify(signed("gateway%2Fdevices%2Fdev1", "&skn=iothubowner"))).toBe("audience");
    expect(verify(signed("gateway%2Fdevices%2Fdev1", "&skn="))).toBe("ok");
  });

  it("for a module opens the module's door", () => {
    expect(verify(make("gateway/devices/dev1/modules/mod1"), module)).toBe("ok");
  });

  it("for an id with special characters may escape them once more", () => {
    const audience = { ...device, deviceId: "a#b%c" };
    expect(verify(make("gateway/devices/a#b%c"), audience)).toBe("ok");
    expect(verify(make(`gateway/devices/${encodeURIComponent("a#b%c")}`), audience)).toBe("ok");
  });

  it("is good for five minutes beyond its time, since clocks differ, and no longer", () => {
    const token = make("gateway/devices/dev1");
    expect(verify(token, device, [KEY], SE * 1000 + 300_000)).toBe("ok");
    expect(verify(token, device, [KEY], SE * 1000 + 300_001)).toBe("expired");
  });

  it("may have its fields in any order", () => {
    const [sr, sig, se] = signed("gateway%2Fdevices%2Fdev1")
      .slice("SharedAccessSignature ".length)
      .split("&");
    expect(verify(`SharedAccessSignature ${[se, sig, sr].join("&")}`)).toBe("ok");
  });
});

describe("what is no token is malformed, not an exception", () => {
  const good = signed("gateway%2Fdevices%2Fdev1");
  it.each([
    ["nothing", ""],
    ["a password", "secret"],
    ["another scheme", good.replace("SharedAccessSignature", "Bearer")],
    ["no fields", "SharedAccessSignature "],
    ["a field twice", `${good}&sr=gateway`],
    ["a field nobody knows", `${good}&__proto__=1`],
    ["a field without a value", `${good}&skn`],
    ["no sr", good.replace(/sr=[^&]*&/, "")],
    ["no expiry", good.replace(/&se=.*/, "")],
    ["an expiry that is no number", good.replace(/se=.*/, "se=1e12")],
    ["a negative expiry", good.replace(/se=.*/, "se=-1")],
    ["a short signature", good.replace(/sig=[^&]*/, "sig=AAAA")],
    ["a signature that cannot be unescaped", good.replace(/sig=[^&]*/, "sig=%ZZ")],
    ["more than 4 KB", `${good}${"0".repeat(4_096)}`],
  ])("%s", (_name, text) => {
    expect(verify(text)).toBe("malformed");
    expect(parseSasToken(text)).toBeNull();
  });
});

it("a signature with any bit changed is refused", () => {
  const token = parseSasToken(signed("gateway%2Fdevices%2Fdev1"))!;
  for (let bit = 0; bit < 256; bit++) {
    const signature = Buffer.from(token.signature);
    signature[bit >> 3]! ^= 1 << (bit & 7);
    const text = `SharedAccessSignature sr=${token.sr}&sig=${encodeURIComponent(signature.toString("base64"))}&se=${token.se}`;
    expect(verify(text)).toBe("signature");
  }
});

it("new keys are 32 random bytes in base64, no two alike", () => {
  const { primaryKey, secondaryKey } = newKeys();
  const keys = new Set([primaryKey, secondaryKey, ...Array.from({ length: 50 }, newKey)]);
  expect(keys.size).toBe(52);
  for (const key of keys) expect(Buffer.from(key, "base64")).toHaveLength(32);
});
