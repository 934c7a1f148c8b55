/** What an operator sees of peers that never got as far as saying who they are. */
import { once } from "node:events";
import { request } from "node:http";
import { connect as connectPlain } from "node:net";
import { connect as connectTls } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { LocalHub } from "../../../hub/hub.ts";
import { Metrics } from "../../../hub/metrics.ts";
import { ClientTroubles } from "../../../hub/operator/client-troubles.ts";
import { noteListenerTrouble } from "../../../hub/operator/listener-troubles.ts";
import { ListenError } from "../../../hub/mqtt/listener.ts";
import { selfSigned } from "../mqtt/certificate.ts";
import { TEST_STORE } from "../../support/hub.ts";
import { tempDir } from "../../support/temp-dir.ts";

const host = "127.0.0.1";

async function start() {
  const tls = selfSigned();
  const hub = new LocalHub(() => {});
  const protocols = ["mqtts", "amqps", "http"] as const;
  const { listeners } = await hub.start({
    gatewayId: "gw",
    storeDir: await tempDir(),
    listeners: protocols.map((protocol) => ({
      protocol,
      host,
      port: 0,
      ...(protocol === "http" ? {} : { tls }),
    })),
    store: TEST_STORE,
  });
  onTestFinished(() => hub.close());
  const [mqtts, amqps, http] = listeners.map(({ port }) => port) as [number, number, number];
  return { hub, mqtts, amqps, http };
}

test("a handshake that fails is counted and told of, under its listener, with the reason", async () => {
  const { hub, mqtts, amqps } = await start();
  const distrusting = connectTls({ host, port: mqtts });
  await once(distrusting, "error");
  const plain = connectPlain({ host, port: amqps });
  plain.on("error", () => {}).resume();
  plain.write("AMQP\0\x01\0\0 is spoken here, and no TLS");
  await once(plain, "close");
  await expect.poll(async () => (await hub.status()).counters["handshakes_failed"]).toBe(2);
  const { troubles, counters } = await hub.status();
  const told = new Map(troubles.map(({ client, what }) => [client, what]));
  expect(told.get("(mqtts)")).toBe("mqtts listener: TLS handshake failed: the client hung up");
  expect(told.get("(amqps)")).toMatch(/^amqps listener: TLS handshake with 127\.0\.0\.1 failed: [a-z ]+$/);
  expect(counters["connections_total"]).toBe(0);
});

test("a WebSocket that is refused is counted, with why", async () => {
  const { hub, http } = await start();
  const headers = { connection: "upgrade", upgrade: "websocket", "sec-websocket-protocol": "chat" };
  for (const path of ["/$iothub/websocket", "/elsewhere"]) {
    const asked = request({ host, port: http, path, headers, agent: false }).end();
    const [response] = (await once(asked, "response")) as [{ resume(): void }];
    response.resume();
  }
  const { troubles, counters } = await hub.status();
  expect(counters["upgrades_refused"]).toBe(2);
  expect(troubles).toMatchObject([
    { client: "(http)", times: 2, what: "http listener: WebSocket of 127.0.0.1 refused: no such path" },
  ]);
});

test.for([
  [new ListenError("SP_LISTEN_CONNECTIONS", "full"), "connections_over_limit"],
  [new ListenError("SP_LISTEN_HANDSHAKES", "full"), "connections_over_limit"],
  [Object.assign(new Error("accept EMFILE"), { code: "EMFILE" }), "listener_errors"],
  [new Error("a bug"), "listener_errors"],
] as const)("%s counts as %s", ([error, counter]) => {
  const [metrics, troubles] = [new Metrics(), new ClientTroubles()];
  noteListenerTrouble("mqtt", error, { metrics, troubles, nowMs: 0 });
  expect(metrics[counter]).toBe(1);
  expect(troubles.list()).toMatchObject([{ client: "(mqtt)", what: error.message }]);
});
