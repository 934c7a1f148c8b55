import { describe, expect, it } from "vitest";
import type { Identity } from "../../../hub/face.ts";
import { decideConnect, parseUsername, type ConnectChecks } from "../../../hub/mqtt/connect.ts";
import type { ShownCertificate } from "../../../hub/identity/client-certificate.ts";
import type { ConnectRequest } from "../../../hub/mqtt/handler.ts";

const claim = (fields: object) => ({
  moduleId: null,
  apiVersion: "2021-04-12",
  authChain: null,
  modelId: null,
  clientType: null,
  ...fields,
});

describe("a user name", () => {
  it.each<[string, object]>([
    ["hub/dev/?api-version=2021-04-12", { deviceId: "dev" }],
    ["hub/dev/mod/?api-version=2021-04-12", { deviceId: "dev", moduleId: "mod" }],
    ["hub/dev/api-version=2021-04-12", { deviceId: "dev" }],
    ["hub/dev/mod/api-version=2021-04-12", { deviceId: "dev", moduleId: "mod" }],
    ["localhost:8883/dev/?api-version=2021-04-12", { deviceId: "dev" }],
    [
      "hub/dev/?api-version=2021-04-12&DeviceClientType=azure-iot-device%2F1.18.4%20(node%20v20)",
      { deviceId: "dev", clientType: "azure-iot-device/1.18.4 (node v20)" },
    ],
    [
      "hub/dev/mod/api-version=2017-06-30/DeviceClientType=Microsoft.Azure.Devices.Client/1.5.1-preview-003",
      {
        deviceId: "dev",
        moduleId: "mod",
        apiVersion: "2017-06-30",
        clientType: "Microsoft.Azure.Devices.Client/1.5.1-preview-003",
      },
    ],
    [
      "hub/dev/?api-version=2021-04-12&model-id=dtmi:com:example;1&auth-chain=a%3Bb",
      { deviceId: "dev", modelId: "dtmi:com:example;1", authChain: "a;b" },
    ],
    ["hub/dev/?api-version=2021-04-12&DeviceClientType=a/b", { deviceId: "dev", clientType: "a/b" }],
    ["hub/dev/?api-version=1&api-version=2", { deviceId: "dev", apiVersion: "1" }],
    ["hub/dev/?api-version", { deviceId: "dev", apiVersion: "" }],
    [
      "hub/__proto__/constructor/?api-version=2021-04-12&__proto__=x",
      { deviceId: "__proto__", moduleId: "constructor" },
    ],
  ])("%s names its identity", (username, expected) => {
    expect(parseUsername(username)).toEqual(claim(expected));
  });

  it.each([
    "",
    "hub",
    "hub/?api-version=1",
    "hub//?api-version=1",
    "hub/dev//?api-version=1",
    "hub/dev/mod/more/?api-version=1",
    "hub/dev/?other=1",
    "hub/dev",
    "hub/dev/mod",
    "hub/a/b/c/api-version=1",
    "hub/dev/?api-version=%zz",
    `hub/dev/?api-version=1${"&a=b".repeat(40)}`,
  ])("%s is malformed", (username) => {
    expect(parseUsername(username)).toBeNull();
  });
});

const identity = (fields: Partial<Identity> = {}): Identity => ({
  deviceId: "dev",
  authentication: { type: "sas", primaryKey: "p", secondaryKey: "s" },
  enabled: true,
  generationId: "g",
  ...fields,
});

const request = (fields: Partial<ConnectRequest> = {}): ConnectRequest => ({
  clientId: "dev",
  username: "hub/dev/?api-version=2021-04-12",
  password: Buffer.from("token"),
  clean: true,
  keepAliveSecs: 60,
  will: null,
  ...fields,
});

const checks = (fields: Partial<ConnectChecks> = {}): ConnectChecks => ({
  identityOf: (deviceId, moduleId) => (deviceId === "dev" && moduleId === null ? identity() : null),
  verify: (token) =>
    token === "token" ? { ok: true, expiresMs: 5, by: "key" } : { ok: false, reason: "signature" },
  certificate: () => null,
  nowMs: 1_000,
  ...fields,
});

const token = (reason: "malformed" | "expired" | "audience" | "signature") => ({
  verify: () => ({ ok: false, reason }) as const,
});

const shown = (fields: Partial<ShownCertificate> = {}) => ({
  certificate: (): ShownCertificate => ({
    commonName: "dev",
    sha1: "AA".repeat(20),
    sha256: "BB".repeat(32),
    notBefore: 0,
    notAfter: 2_000,
    isChainTrusted: true,
    ...fields,
  }),
});
const byAuthority = () => identity({ authentication: { type: "certificateAuthority" } });
const byThumbprint = (primaryThumbprint: string) => () =>
  identity({ authentication: { type: "selfSigned", primaryThumbprint, secondaryThumbprint: "" } });

describe("CONNECT", () => {
  it("with the identity's token is accepted", () => {
    const accepted = {
      accepted: true,
      claim: claim({ deviceId: "dev" }),
      tokenExpiresMs: 5,
      byCertificate: false,
      provenBy: "key",
    };
    expect(decideConnect(request(), checks())).toEqual(accepted);
  });

  it.each([byAuthority, byThumbprint("AA".repeat(20)), byThumbprint("BB".repeat(32))])(
    "without a password is accepted by the certificate, until that ends",
    (identityOf) => {
      for (const password of [null, Buffer.alloc(0)]) {
        expect(decideConnect(request({ password }), checks({ ...shown(), identityOf }))).toMatchObject({
          accepted: true,
          tokenExpiresMs: 2_000,
          byCertificate: true,
        });
      }
    },
  );

  it.each<[string, 3 | 5, Partial<ConnectRequest>, Partial<ConnectChecks>]>([
    ["username_absent", 5, { username: null }, {}],
    ["username_malformed", 3, { username: "hub/dev" }, {}],
    ["client_id_mismatch", 5, { clientId: "DEV" }, {}],
    ["client_id_mismatch", 5, { clientId: "dev/mod" }, {}],
    ["client_id_mismatch", 5, { clientId: "" }, {}],
    ["client_id_mismatch", 5, { username: "hub/dev/mod/?api-version=1" }, {}],
    ["auth_chain_unsupported", 5, { username: "hub/dev/?api-version=1&auth-chain=dev%3Bedge" }, {}],
    ["password_absent", 5, { password: null }, {}],
    ["password_absent", 5, { password: Buffer.alloc(0) }, {}],
    ["identities_loading", 3, {}, { identityOf: () => undefined }],
    ["identity_unknown", 5, {}, { identityOf: () => null }],
    ["identity_disabled", 5, {}, { identityOf: () => identity({ enabled: false }) }],
    ["token_signature", 5, { password: Buffer.from("forged") }, {}],
    ["token_malformed", 5, {}, token("malformed")],
    ["token_expired", 5, {}, token("expired")],
    ["token_audience", 5, {}, token("audience")],
    ["certificate_unused", 5, { password: null }, shown()],
    [
      "certificate_unused",
      5,
      { password: null, clientId: "dev/mod", username: "hub/dev/mod/?api-version=1" },
      { ...shown(), identityOf: () => ({ ...byAuthority(), moduleId: "mod" }) },
    ],
    [
      "certificate_chain",
      5,
      { password: null },
      { ...shown({ isChainTrusted: false }), identityOf: byAuthority },
    ],
    ["certificate_dates", 5, { password: null }, { ...shown({ notAfter: 999 }), identityOf: byAuthority }],
    [
      "certificate_common_name",
      5,
      { password: null },
      { ...shown({ commonName: "DEV" }), identityOf: byAuthority },
    ],
    [
      "certificate_thumbprint",
      5,
      { password: null },
      { ...shown(), identityOf: byThumbprint("CC".repeat(20)) },
    ],
  ])("%s is answered with %i", (refusal, code, fields, otherChecks) => {
    const decision = decideConnect(request(fields), checks(otherChecks));
    expect(decision).toMatchObject({ accepted: false, refusal, code });
  });

  it("of a module asks for the module, not for its device", () => {
    const asked: (readonly [string, string | null])[] = [];
    const identityOf = (deviceId: string, moduleId: string | null) => {
      asked.push([deviceId, moduleId]);
      return null;
    };
    decideConnect(
      request({ clientId: "dev/mod", username: "hub/dev/mod/?api-version=1" }),
      checks({ identityOf }),
    );
    expect(asked).toEqual([["dev", "mod"]]);
  });
});
