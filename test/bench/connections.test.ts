import { afterEach, describe, expect, test } from "vitest";
import { listen, type Listener } from "../../hub/mqtt/listener.ts";
import { selfSigned } from "../hub/mqtt/certificate.ts";
import { Recorder } from "../hub/mqtt/recorder.ts";
import { requireFiles } from "./connections.ts";
import { IdleClients } from "./idle-clients.ts";

let listener: Listener;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function start(protocol: "mqtt" | "mqtts", handler = new Recorder()): Promise<Recorder> {
  listener = await listen({ protocol, host: "127.0.0.1", port: 0, handler, tls: selfSigned() });
  cleanups.push(() => listener.close());
  return handler;
}

const logins = Array.from({ length: 100 }, (_, i) => ({
  clientId: `d${i}`,
  username: "u",
  password: `p${i}`,
}));

describe.each(["mqtt", "mqtts"] as const)("idle clients over %s", (protocol) => {
  test("each log in once, and those that are cut are counted", async () => {
    const handler = await start(protocol);
    using clients = new IdleClients();
    expect(await clients.connect(listener.port, protocol === "mqtts", logins)).toBeGreaterThan(0);
    const names = handler.of("connect").map(({ request }) => request.clientId);
    expect(names.toSorted()).toEqual(logins.map(({ clientId }) => clientId).toSorted());
    expect(clients.lost).toBe(0);
    handler.connections[0]!.close("shutdown");
    await expect.poll(() => clients.lost).toBe(1);
  });
});

test("a client that is refused ends the measurement", async () => {
  const handler = await start("mqtt");
  handler.decide = (connection) => connection.connack(5);
  using clients = new IdleClients();
  await expect(clients.connect(listener.port, false, logins.slice(0, 1))).rejects.toMatchObject({
    code: "SP_BENCH_CLIENT",
  });
});

test("too low a limit on open files is said before anything is started", () => {
  const limits = (soft: string) =>
    `Max processes  1 1 processes\nMax open files            ${soft}   9999 files\n`;
  expect(() => requireFiles(10_256, limits("1024"))).toThrow(
    expect.objectContaining({ code: "SP_BENCH_FILES", hint: "ulimit -n 10256" }),
  );
  expect(() => requireFiles(10_256, limits("20000"))).not.toThrow();
  expect(() => requireFiles(10_256, limits("unlimited"))).not.toThrow();
});
