/** The workload API over its sockets: what a module gets, and what nobody gets (contract §7.2). */
import { createHmac, createPrivateKey, X509Certificate } from "node:crypto";
import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { once } from "node:events";
import { connect, type AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from "node:tls";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SandpiperError } from "../../../abi/index.ts";
import { MODULE_CERTIFICATE_DAYS_MAX } from "../../../host/certificates/module-certificate.ts";
import { WORKLOAD_BODY_BYTES_MAX } from "../../../host/workload/routes.ts";
import { keysOf, type Identity } from "../../../hub/index.ts";
import { ask, SmallGateway, type Told } from "./small-gateway.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

let gateway: SmallGateway;
beforeEach(async () => {
  gateway = await SmallGateway.start();
});
afterEach(() => gateway.stop());

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const SIGN = { keyId: "primary", algo: "HMACSHA256", data: base64("gw%2fdevices\n123") };
const pathOf = ({ moduleId, generationId }: Identity, call: string): string =>
  `/modules/${encodeURIComponent(moduleId!)}/genid/${generationId}/${call}`;

const hmacOf = (key: string): string =>
  createHmac("sha256", Buffer.from(key, "base64")).update("gw%2fdevices\n123").digest("base64");

describe("sign", () => {
  test.for(["reader", "$edgeHub", "a.b", "..", "x'y:*?#,%"])(
    "gives the module %s what its own keys make of the data",
    async (moduleId) => {
      const identity = await gateway.add(moduleId);
      const socket = await gateway.socketOf(moduleId);
      const [primary, secondary] = keysOf(identity);
      const path = pathOf(identity, "sign");
      expect(await ask(socket, { path, body: SIGN })).toEqual({
        status: 200,
        body: { digest: hmacOf(primary!) },
      });
      const other = await ask(socket, { path, body: { ...SIGN, keyId: "secondary" } });
      expect(other.body["digest"]).toBe(hmacOf(secondary!));
    },
  );

  test("is refused for another module, whether it is there or not", async () => {
    const [mine, other] = [await gateway.add("mine"), await gateway.add("other")];
    const socket = await gateway.socketOf("mine");
    const told = await ask(socket, { path: pathOf(other, "sign"), body: SIGN });
    expect(told).toEqual({
      status: 403,
      body: { message: 'request: module "other" is not the one that asks' },
    });
    const nobody = { ...mine, moduleId: "nobody" };
    expect((await ask(socket, { path: pathOf(nobody, "sign"), body: SIGN })).status).toBe(403);
  });

  test.for<[string, object, number]>([
    ["a key that there is none of", { ...SIGN, keyId: "third" }, 400],
    ["an algorithm of somebody's choice", { ...SIGN, algo: "MD5" }, 400],
    ["data that is not base64", { ...SIGN, data: "a b" }, 400],
    ["no data", { keyId: "primary", algo: "HMACSHA256" }, 400],
    ["a field that is not known", { ...SIGN, keyid: "primary" }, 400],
    ["a list", [], 400],
  ])("with %s is refused", async ([, body, status]) => {
    const identity = await gateway.add("reader");
    const told = await ask(await gateway.socketOf("reader"), { path: pathOf(identity, "sign"), body });
    expect(told.status).toBe(status);
    expect(told.body).toEqual({ message: expect.stringMatching(/^request: /) as string });
  });
});

describe("encrypt and decrypt", () => {
  const sealing = { plaintext: base64("a secret"), initializationVector: base64("v1") };
  const encrypt = async (of: Identity): Promise<Told> =>
    ask(await gateway.socketOf(of.moduleId!), { path: pathOf(of, "encrypt"), body: sealing });
  const decrypt = async (of: Identity, ciphertext: string, vector = "v1"): Promise<Told> =>
    ask(await gateway.socketOf(of.moduleId!), {
      path: pathOf(of, "decrypt"),
      body: { ciphertext, initializationVector: base64(vector) },
    });

  test("give back what was given, and show it to nobody between", async () => {
    const reader = await gateway.add("reader");
    const { status, body } = await encrypt(reader);
    expect(status).toBe(200);
    const ciphertext = body["ciphertext"] as string;
    expect(Buffer.from(ciphertext, "base64").includes("a secret")).toBe(false);
    expect(await decrypt(reader, ciphertext)).toEqual({
      status: 200,
      body: { plaintext: sealing.plaintext },
    });
    const large = { ...sealing, plaintext: Buffer.alloc(64 * 1024, 1).toString("base64") };
    const socket = await gateway.socketOf("reader");
    const sealed = await ask(socket, { path: pathOf(reader, "encrypt"), body: large });
    expect((await decrypt(reader, sealed.body["ciphertext"] as string)).body["plaintext"]).toBe(
      large.plaintext,
    );
  });

  test("fail for another module, another vector, and a bit that was changed", async () => {
    const [reader, other] = [await gateway.add("reader"), await gateway.add("other")];
    const ciphertext = (await encrypt(reader)).body["ciphertext"] as string;
    const bytes = Buffer.from(ciphertext, "base64");
    bytes[bytes.length - 1]! ^= 1;
    const failures = [
      await decrypt(other, ciphertext),
      await decrypt(reader, ciphertext, "v2"),
      await decrypt(reader, bytes.toString("base64")),
      await decrypt(reader, ""),
    ];
    for (const { status, body } of failures) {
      expect(status).toBe(422);
      expect(body["message"]).toContain("does not open");
    }
  });

  test("fail for the same name, made anew", async () => {
    const ciphertext = (await encrypt(await gateway.add("reader"))).body["ciphertext"] as string;
    await gateway.change(() => []);
    expect((await decrypt(await gateway.add("reader"), ciphertext)).status).toBe(422);
  });
});

describe("a certificate", () => {
  const year = () => new Date(gateway.nowMs + 365 * DAY_MS).toISOString();
  const parse = ({ body }: Told): X509Certificate => {
    const certificate = new X509Certificate(body["certificate"] as string);
    const { bytes } = body["privateKey"] as { bytes: string };
    expect(certificate.checkPrivateKey(createPrivateKey(bytes))).toBe(true);
    expect(certificate.verify(authority().publicKey)).toBe(true);
    return certificate;
  };
  const authority = () => new X509Certificate(readFileSync(join(gateway.dir, "tls", "ca.pem")));
  const askServer = async (of: Identity, body: object): Promise<Told> =>
    ask(await gateway.socketOf(of.moduleId!), { path: pathOf(of, "certificate/server"), body });

  test("for a server is for the module's own names, and is bounded in life", async () => {
    const reader = await gateway.add("Reader");
    const told = await askServer(reader, { commonName: "reader.gw.example", expiration: year() });
    expect(told.status).toBe(201);
    const certificate = parse(told);
    expect(certificate.subject).toBe("CN=reader.gw.example");
    expect(certificate.subjectAltName).toBe("DNS:reader.gw.example, DNS:reader");
    expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
    expect(certificate.ca).toBe(false);
    const lifeDays = (Date.parse(certificate.validTo) - gateway.nowMs) / DAY_MS;
    expect(lifeDays).toBeLessThanOrEqual(MODULE_CERTIFICATE_DAYS_MAX);
    expect(Date.parse(told.body["expiration"] as string)).toBe(
      gateway.nowMs + MODULE_CERTIFICATE_DAYS_MAX * DAY_MS,
    );
  });

  test.for(["gw.example", "localhost", "127.0.0.1", "other", "*.gw.example", "gw", "reader.example.com", ""])(
    "for a server is refused for the name %s",
    async (commonName) => {
      const told = await askServer(await gateway.add("reader"), { commonName, expiration: year() });
      expect(told.status).toBe(400);
    },
  );

  test.for(["localhost", "gw.example", "$edgeHub", "10.0.0.1"])(
    "for a server is refused to a module that is called %s",
    async (moduleId) => {
      const told = await askServer(await gateway.add(moduleId), { commonName: moduleId, expiration: year() });
      expect(told.status).toBe(400);
    },
  );

  test.for(["2001-01-01T00:00:00Z", "tomorrow", "2999-99-99T00:00:00Z", ""])(
    "is refused with the expiration %s",
    async (expiration) => {
      const told = await askServer(await gateway.add("reader"), { commonName: "reader", expiration });
      expect(told.status).toBe(400);
    },
  );

  test.for(["reader", "r".repeat(100)])(
    "of a module's identity is for clients, and its common name is no device's: %s",
    async (moduleId) => {
      await gateway.add(moduleId);
      const path = `/modules/${moduleId}/certificate/identity`;
      const told = await ask(await gateway.socketOf(moduleId), { path, body: { expiration: year() } });
      expect(told.status).toBe(201);
      const certificate = parse(told);
      expect(certificate.subject).toMatch(/^CN=.*\//);
      expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
      expect(certificate.subjectAltName).toBe(`URI:azureiot://gw.example/devices/gw/modules/${moduleId}`);
    },
  );

  test("for a server opens no connection as a client, not even where this authority is trusted for clients", async () => {
    const of = await gateway.add("reader");
    const server = await askServer(of, { commonName: "reader", expiration: year() });
    const path = "/modules/reader/certificate/identity";
    const identity = await ask(await gateway.socketOf("reader"), { path, body: { expiration: year() } });
    const isTakenFor = async ({ body }: Told): Promise<boolean> => {
      const [key, cert] = ["server.key", "server.pem"].map((name) =>
        readFileSync(join(gateway.dir, "tls", name)),
      );
      const ca = authority().toString();
      const listener = createTlsServer({
        key: key!,
        cert: cert!,
        ca,
        requestCert: true,
        rejectUnauthorized: false,
      });
      const shown = once(listener.listen(0, "127.0.0.1"), "secureConnection") as Promise<[TLSSocket]>;
      await once(listener, "listening");
      const { port } = listener.address() as AddressInfo;
      const own = {
        key: (body["privateKey"] as { bytes: string }).bytes,
        cert: body["certificate"] as string,
      };
      const client = connectTls({ port, host: "127.0.0.1", ca, ...own });
      const [{ authorized }] = await shown;
      client.destroy();
      listener.close();
      return authorized;
    };
    expect([await isTakenFor(server), await isTakenFor(identity)]).toEqual([false, true]);
  });

  test("that cannot be issued is no news of the gateway's files", async () => {
    const reader = await gateway.add("reader");
    rmSync(join(gateway.dir, "tls", "ca.key"));
    const told = await askServer(reader, { commonName: "reader", expiration: year() });
    expect(told).toEqual({ status: 500, body: { message: "the gateway could not do it" } });
    expect(gateway.logged.map(({ text }) => text)).toContain("request failed");
  });
});

test("the trust bundle is the file, as it is now", async () => {
  await gateway.add("reader");
  const socket = await gateway.socketOf("reader");
  const file = join(gateway.dir, "tls", "trust-bundle.pem");
  expect(await ask(socket, { path: "/trust-bundle" })).toEqual({
    status: 200,
    body: { certificate: readFileSync(file, "utf8") },
  });
  expect((await ask(socket, { path: "/manifest-trust-bundle" })).status).toBe(404);
});

test("a module sees itself in the list of modules, and nobody else", async () => {
  await gateway.add("reader");
  await gateway.add("other");
  const told = await ask(await gateway.socketOf("reader"), { path: "/modules" });
  expect(told.body).toMatchObject({ modules: [{ name: "reader" }] });
});

describe("a request", () => {
  let identity: Identity;
  let socket: string;
  beforeEach(async () => {
    identity = await gateway.add("reader");
    socket = await gateway.socketOf("reader");
  });
  const sign = (change: object): Promise<Told> =>
    ask(socket, { path: pathOf(identity, "sign"), body: SIGN, ...change });

  test.for(["2018-06-28", "2019-01-30", "2020-07-07", "2022-08-03"])(
    "of version %s is answered",
    async (version) => {
      expect((await sign({ query: `api-version=${version}` })).status).toBe(200);
    },
  );
  test.for(["", "api-version=", "api-version=2018-06-27", "api-version=latest", "version=2018-06-28"])(
    "of no version that there is is refused: %s",
    async (query) => expect((await sign({ query })).status).toBe(400),
  );
  test.for<[string, object, number]>([
    ["that is too large", { text: `{"data":"${"A".repeat(WORKLOAD_BODY_BYTES_MAX)}"}` }, 413],
    ["that is not JSON", { text: "{" }, 400],
    ["for a path that there is not", { path: "/modules/reader/restart" }, 404],
    ["with a path that is not percent-encoded", { path: "/modules/%ff/genid/1/sign" }, 400],
    ["of another generation", { path: "/modules/reader/genid/0/sign" }, 404],
    ["with a polluting name", { path: "/modules/__proto__/genid/1/sign" }, 403],
  ])("%s is refused", async ([, change, status]) => {
    const told = await sign(change);
    expect(told.status).toBe(status);
    expect(Object.keys(told.body)).toEqual(["message"]);
  });

  test("while there is no hub is answered with a status that is tried again", async () => {
    gateway.failure = new SandpiperError("SP_HUB_DOWN", "hub: is being made again");
    expect(await sign({})).toEqual({
      status: 503,
      body: { message: "the gateway is not ready; try again in a moment" },
    });
  });

  test("that meets a bug is told no more than that, and the log has the rest", async () => {
    gateway.failure = new TypeError("secret");
    expect(await sign({})).toEqual({ status: 500, body: { message: "the gateway could not do it" } });
    expect(JSON.stringify(gateway.logged)).toContain("request failed");
  });

  test("that is not HTTP ends its connection, and the next one is answered", async () => {
    const stranger = connect(socket);
    const ended = new Promise((resolve) => stranger.once("close", resolve));
    stranger.on("error", () => undefined).resume();
    stranger.write(Buffer.from([0x10, 0, 0xff, 13, 10, 13, 10]));
    await ended;
    expect((await sign({})).status).toBe(200);
  });
});

describe("a socket", () => {
  test("is for the gateway's user alone, as is its folder", async () => {
    await gateway.add("reader");
    const socket = await gateway.socketOf("reader");
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(socket)).mode & 0o777).toBe(0o700);
  });

  test("is there for enabled modules of the gateway itself, and no others", async () => {
    await gateway.add("m", "leaf");
    const reader = await gateway.add("reader");
    const socket = await gateway.socketOf("reader");
    await gateway.change((all) => all.map((one) => ({ ...one, enabled: false })));
    await expect(ask(socket, { path: "/modules" })).rejects.toMatchObject({ code: "ENOENT" });
    await gateway.change(() => [reader]);
    expect((await ask(socket, { path: "/modules" })).status).toBe(200);
    await expect(gateway.workload.environment("m")).rejects.toMatchObject({ code: "SP_IDENTITY_UNKNOWN" });
  });

  test("is in the same folder after the gateway has started again, for containers that have it mounted", async () => {
    await gateway.add("reader");
    const socket = await gateway.socketOf("reader");
    const before = statSync(dirname(socket)).ino;
    await gateway.workload.close();
    expect(existsSync(socket)).toBe(false);
    await gateway.restart();
    expect((await ask(socket, { path: "/modules" })).status).toBe(200);
    expect(statSync(dirname(socket)).ino).toBe(before);
  });

  test("goes with its identity, and one that is made anew has another folder", async () => {
    await gateway.add("reader");
    const old = await gateway.socketOf("reader");
    await gateway.change(() => []);
    expect(existsSync(dirname(old))).toBe(false);
    await gateway.add("reader");
    expect(await gateway.socketOf("reader")).not.toBe(old);
  });

  test("that is still open when its module has been disabled signs nothing", async () => {
    const reader = await gateway.add("reader");
    const socket = await gateway.socketOf("reader");
    const refused = { status: 404 };
    const changing = gateway.change(() => [{ ...reader, enabled: false }]);
    // The hub has forgotten the module before the socket is closed.
    await ask(socket, { path: pathOf(reader, "sign"), body: SIGN }).then(
      (told) => expect(told).toMatchObject(refused),
      (error: NodeJS.ErrnoException) =>
        expect(["ENOENT", "ECONNRESET", "ECONNREFUSED"]).toContain(error.code),
    );
    await changing;
  });

  test("stays away, and the others come, when its folder cannot be made", async () => {
    const first = await gateway.add("first");
    const blocked = await gateway.socketOf("first");
    await gateway.change(() => []);
    const { writeFileSync } = await import("node:fs");
    writeFileSync(dirname(blocked), "in the way");
    await gateway.change(() => [first]);
    await gateway.add("second");
    expect((await ask(await gateway.socketOf("second"), { path: "/modules" })).status).toBe(200);
    expect(gateway.logged.some(({ level }) => level === "error")).toBe(true);
  });
});
