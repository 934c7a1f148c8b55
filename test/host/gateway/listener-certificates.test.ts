/** Certificates that change while a hub runs, with connections that must not notice. */
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createCertificates, daysLeft, SERVER_RENEW_DAYS } from "../../../host/certificates/index.ts";
import { decodeGatewayConfig } from "../../../host/folder/gateway-config.ts";
import { ListenerCertificates } from "../../../host/gateway/listener-certificates.ts";
import { LocalHub } from "../../../hub/hub.ts";
import { connectPacket, PINGREQ } from "../../hub/mqtt/raw-client.ts";
import { credentials, GATEWAY, TEST_STORE } from "../../support/hub.ts";
import { newKeys } from "../../../hub/identity/keys.ts";
import { keptLog } from "../../support/kept-log.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const todayMs = Date.now();
/** A certificate made then is to be renewed today. */
const thenMs = todayMs - (2 * 365 - SERVER_RENEW_DAYS + 2) * DAY_MS;

let dir: string;
let nowMs: number;
let log: ReturnType<typeof keptLog>;
let hub: LocalHub;
let ports: readonly number[];
let certificates: ListenerCertificates;
const sockets: TLSSocket[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "sp-listener-tls-"));
  nowMs = thenMs;
  log = keptLog();
  for (const folder of ["tls", "own"]) {
    await mkdir(join(dir, folder));
    await createCertificates(join(dir, folder), { hostname: "localhost", nowMs });
  }
  const own = { key: "own/server.key", cert: "own/server.pem" };
  const at = { host: "127.0.0.1", port: 0 };
  const text = JSON.stringify({
    gatewayId: GATEWAY,
    listeners: [
      { protocol: "mqtt", ...at },
      { protocol: "mqtts", ...at },
      { protocol: "https", ...at, tls: own },
    ],
  });
  const { listeners } = await decodeGatewayConfig(text, "gateway.json");
  const paths = { dir, tls: join(dir, "tls") };
  certificates = new ListenerCertificates({
    paths,
    hostname: "localhost",
    listeners,
    log,
    nowMs: () => nowMs,
  });
  hub = new LocalHub(() => expect.unreachable());
  const started = await hub.start({
    gatewayId: GATEWAY,
    storeDir: join(dir, "store"),
    listeners: await certificates.load(),
    store: TEST_STORE,
  });
  ports = started.listeners.map(({ port }) => port);
  certificates.watch((changed) => hub.setCertificates(changed));
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await certificates.close();
  await hub.close();
  await rm(dir, { recursive: true });
});

const authorityOf = (folder: string) => readFile(join(dir, folder, "trust-bundle.pem"), "utf8");

/** A handshake that trusts the authority of `folder`. */
async function open(port: number, folder: string): Promise<TLSSocket> {
  const ca = await authorityOf(folder);
  const socket = connect({ host: "127.0.0.1", port, ca, servername: "localhost" });
  sockets.push(socket);
  await once(socket, "secureConnect");
  return socket;
}

const shownBy = async (port: number, folder: string): Promise<string> =>
  (await open(port, folder)).getPeerCertificate().fingerprint256;

async function answerTo(socket: TLSSocket, packet: Buffer): Promise<string> {
  socket.write(packet);
  const [bytes] = (await once(socket, "data")) as [Buffer];
  return bytes.toString("hex");
}

test("a certificate that is about to expire is renewed, and a client that is connected stays", async () => {
  const identity = { deviceId: "d1", ...newKeys(), enabled: true };
  await hub.addIdentity(identity);
  const client = await open(ports[1]!, "tls");
  const { clientId, username, password } = credentials(identity);
  const login = connectPacket({
    clientId: clientId!,
    username: username!,
    password: Buffer.from(String(password)),
  });
  expect(await answerTo(client, login)).toBe("20020000");
  const [before, ownBefore] = [await shownBy(ports[1]!, "tls"), await shownBy(ports[2]!, "own")];

  await certificates.check();
  expect(await shownBy(ports[1]!, "tls")).toBe(before);

  nowMs = todayMs;
  expect(daysLeft(certificates.notAfter!, todayMs)).toBeLessThan(SERVER_RENEW_DAYS);
  await certificates.check();
  expect(log.kept.map(({ message }) => message)).toEqual([
    "server certificate was renewed",
    "TLS listeners show another certificate",
  ]);
  expect(await shownBy(ports[1]!, "tls")).not.toBe(before);
  // That of the operator, as old, is never renewed.
  expect(await shownBy(ports[2]!, "own")).toBe(ownBefore);
  expect(daysLeft(certificates.notAfter!, todayMs)).toBeLessThan(SERVER_RENEW_DAYS);
  expect(await answerTo(client, PINGREQ)).toBe("d000");
});

test("a certificate that the operator replaces is shown from the next check on", async () => {
  const before = await shownBy(ports[2]!, "own");
  await createCertificates(join(dir, "own"), { hostname: "localhost", nowMs: todayMs });
  await certificates.check();
  expect(await shownBy(ports[2]!, "own")).not.toBe(before);
});

test("files that are no pair leave the certificate that is shown in place, and are reported", async () => {
  const before = await shownBy(ports[2]!, "own");
  await writeFile(join(dir, "own", "server.pem"), "half a fi");
  await certificates.check();
  expect(await shownBy(ports[2]!, "own")).toBe(before);
  expect(log.kept).toEqual([
    expect.objectContaining({
      level: "error",
      fields: expect.objectContaining({ code: "SP_CERTIFICATE_INVALID", protocol: "https" }),
    }),
  ]);
  expect(JSON.stringify(log.kept)).not.toContain("PRIVATE KEY");
});
