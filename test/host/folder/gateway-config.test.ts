import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { expect, test } from "vitest";
import { decodeGatewayConfig, GATEWAY_CONFIG_SCHEMA } from "../../../host/folder/gateway-config.ts";
import { STORE_DEFAULTS } from "../../../hub/index.ts";

const decode = (text: string) => decodeGatewayConfig(text, "gateway.json");

test("only the gateway's id has to be said", async () => {
  expect(await decode('{"gatewayId":"gw"}')).toEqual({
    gatewayId: "gw",
    hostname: hostname(),
    listeners: [
      { protocol: "mqtt", host: "127.0.0.1", port: 1883, portsToTry: 0 },
      { protocol: "mqtts", host: "0.0.0.0", port: 8883, portsToTry: 0 },
    ],
    store: STORE_DEFAULTS,
    modules: {
      restart: { backoffMs: 10_000, backoffMsMax: 300_000, restartsMax: 20, steadyMs: 600_000 },
      health: { healthyForMs: 3_000, healthyWithinMs: 30_000 },
      log: { fileBytesMax: 1_048_576, filesMax: 3 },
    },
    management: { bodyBytesMax: 4194304 },
    workload: {},
  });
});

test.for([
  ['{"gatewayId":"gw","listners":[]}', "listners: unknown key"],
  ['{"gatewayId":"gw","store":{"maxBytes":1}}', "store.maxBytes: unknown key"],
  ['{"gatewayId":"gw","__proto__":{"polluted":1}}', "__proto__: unknown key"],
  ["{}", "gatewayId: missing"],
  ["[]", "the whole: [] must be object"],
  ['{"gatewayId":"a/b"}', 'gatewayId: "a/b" has characters that are not allowed'],
  ['{"gatewayId":"gw","listeners":[{"protocol":"coap"}]}', 'listeners[0].protocol: "coap" is not one of'],
  [
    '{"gatewayId":"gw","listeners":[{"protocol":"mqtt","port":70000}]}',
    "listeners[0].port: 70000 must be <=",
  ],
  ['{"gatewayId":"gw","listeners":[{"protocol":"mqtt","port":"1883"}]}', 'listeners[0].port: "1883" must be'],
  [
    '{"gatewayId":"gw","listeners":[{"protocol":"mqtt","tls":{"key":"k","cert":"c"}}]}',
    'listeners[0].tls: only for protocols "mqtts", "amqps" and "https"',
  ],
  [
    '{"gatewayId":"gw","listeners":[{"protocol":"amqp","deviceAuthorities":"d.pem"}]}',
    'listeners[0].deviceAuthorities: only for protocols "mqtts", "amqps" and "https"',
  ],
  ...["0.0.0.0:8088", "10.0.0.1:8088", "127.0.0.1", "localhost:80", "127.0.0.256:1", "[::]:80"].map(
    (address) =>
      [
        `{"gatewayId":"gw","management":{"listen":"${address}"}}`,
        `management.listen: "${address}" is no address of the loopback with a port`,
      ] as const,
  ),
] as const)("%s is refused: %s", async ([text, message]) => {
  await expect(decode(text)).rejects.toThrow(`gateway.json: ${message}`);
});

test("an unknown key is answered with the known ones", async () => {
  await expect(decode('{"gatewayId":"gw","store":{"maxBytes":1}}')).rejects.toMatchObject({
    hint: "known keys here: backend, bytesMax, lingerMs, graceMs, logBytes, checkpointBytes, checkpointMs, timeToLiveClock, queues",
  });
});

test("an id or a host name that cannot be is answered with what one can be", async () => {
  await expect(decode('{"gatewayId":"a/b"}')).rejects.toMatchObject({
    hint: expect.stringContaining("an id has letters"),
  });
  await expect(decode('{"gatewayId":"gw","hostname":"a b"}')).rejects.toMatchObject({
    hint: expect.stringContaining("a host name has letters"),
  });
});

test("a syntax error has its line and column", async () => {
  await expect(decode('{\n  "gatewayId": "gw",\n}')).rejects.toThrow("gateway.json:3:1: ");
  await expect(decode("")).rejects.toThrow("gateway.json:1:1: ");
});

test("docs/configuration.md names every key and every default", async () => {
  const page = await readFile(new URL("../../../docs/configuration.md", import.meta.url), "utf8");
  for (const { key, schema } of keysOf(GATEWAY_CONFIG_SCHEMA)) {
    const row = page.split("\n").find((line) => line.startsWith(`| \`${key}\``));
    expect(row, key).toBeDefined();
    if (typeof schema.default === "number" || typeof schema.default === "string") {
      expect(row, key).toContain(`\`${schema.default}\``);
    }
  }
});

interface Schema {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

/** Every key of the file, with its path as the page writes it: `listeners[].port`. */
function keysOf(schema: Schema, prefix = ""): { key: string; schema: Schema }[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const key = `${prefix}${name}`;
    const inner = property.items ? keysOf(property.items, `${key}[].`) : keysOf(property, `${key}.`);
    return inner.length > 0 && !property.items ? inner : [{ key, schema: property }, ...inner];
  });
}
