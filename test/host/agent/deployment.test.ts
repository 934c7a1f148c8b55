import { describe, expect, test } from "vitest";
import { decodeDeployment } from "../../../host/agent/deployment.ts";
import { DeploymentError } from "../../../host/agent/errors.ts";
import { manifest, moduleEntry } from "../../support/manifest.ts";

const AGENT = 'modulesContent.$edgeAgent["properties.desired"]';
const HUB = 'modulesContent.$edgeHub["properties.desired"]';

function refusal(json: unknown): DeploymentError {
  try {
    decodeDeployment(json);
  } catch (error) {
    expect(error).toBeInstanceOf(DeploymentError);
    return error as DeploymentError;
  }
  throw new Error("accepted");
}
const withModule = (entry: Record<string, unknown>, name = "thermo") =>
  manifest({ modules: { [name]: entry } });

test("a manifest of schema 1.1 is decoded with every default", () => {
  const deployment = decodeDeployment(
    manifest({
      modules: {
        thermo: { type: "Docker", status: "running", settings: { image: "file:thermo.wasm" } },
      },
      configs: { thermo: { threshold: 40, $version: 7 } },
      routes: {
        up: "FROM /messages/* INTO $upstream",
        first: { route: "FROM /* INTO $upstream", priority: 0, timeToLiveSecs: 60 },
        off: "",
        blank: { route: "  " },
        gone: null,
      },
    }),
  );
  expect(deployment.modules.get("thermo")).toMatchObject({
    name: "thermo",
    image: "file:thermo.wasm",
    reference: { kind: "file", path: "thermo.wasm", digest: null },
    status: "running",
    restartPolicy: "on-unhealthy",
    imagePullPolicy: "on-create",
    startupOrder: 4_294_967_295,
    version: "",
    createOptions: {
      text: "{}",
      sandbox: { recordDeadlineMs: 1_000, grants: ["log", "clock", "random", "kv", "twin"] },
    },
  });
  expect(deployment.configs.get("thermo")).toEqual({ threshold: 40 });
  expect(deployment.routes.timeToLiveSecs).toBe(7200);
  expect({ ...deployment.routes.routes }).toEqual({
    up: { route: "FROM /messages/* INTO $upstream" },
    first: { route: "FROM /* INTO $upstream", priority: 0, timeToLiveSecs: 60 },
  });
  expect([...deployment.systemModules.keys()]).toEqual(["edgeAgent", "edgeHub"]);
  expect(deployment.warnings).toEqual([]);
});

test("a manifest of schema 1.0 needs no storeAndForwardConfiguration, and nothing expires without it", () => {
  const { routes } = decodeDeployment(
    manifest({
      agent: { schemaVersion: "1.0" },
      hub: {
        schemaVersion: "1.0",
        storeAndForwardConfiguration: undefined,
        routes: { r: "FROM /* INTO $upstream" },
      },
    }),
  );
  expect(routes.timeToLiveSecs).toBe(-1);
});

test("the content wrapper of a configuration document is opened", () => {
  const deployment = decodeDeployment({ id: "site-7", content: manifest({ modules: { a: moduleEntry() } }) });
  expect([...deployment.modules.keys()]).toEqual(["a"]);
});

test("storeAndForwardConfiguration without a value means two hours; a negative one means never", () => {
  const ttl = (storeAndForwardConfiguration: object) =>
    decodeDeployment(manifest({ hub: { storeAndForwardConfiguration } })).routes.timeToLiveSecs;
  expect(ttl({})).toBe(7200);
  expect(ttl({ timeToLiveSecs: -1 })).toBe(-1);
});

test("environment values of every kind become text", () => {
  const env = { A: { value: "x" }, B: { value: 1.5 }, C: { value: true } };
  const deployment = decodeDeployment(withModule(moduleEntry({ env })));
  expect([...deployment.modules.get("thermo")!.env]).toEqual([
    ["A", "x"],
    ["B", "1.5"],
    ["C", "true"],
  ]);
});

test.for<[string, unknown, number, string]>([
  ["an empty document", {}, 417, ""],
  ["an empty modulesContent", { modulesContent: {} }, 417, "modulesContent"],
  ["an empty $edgeAgent", { modulesContent: { $edgeAgent: { "properties.desired": {} } } }, 417, AGENT],
  [
    "a missing schemaVersion",
    manifest({ agent: { schemaVersion: undefined } }),
    412,
    `${AGENT}.schemaVersion`,
  ],
  ["agent schema 1.2", manifest({ agent: { schemaVersion: "1.2" } }), 412, `${AGENT}.schemaVersion`],
  ["agent schema 2.0", manifest({ agent: { schemaVersion: "2.0" } }), 412, `${AGENT}.schemaVersion`],
  ["agent schema as a number", manifest({ agent: { schemaVersion: 1.1 } }), 412, `${AGENT}.schemaVersion`],
  ["agent schema junk", manifest({ agent: { schemaVersion: "1.x" } }), 412, `${AGENT}.schemaVersion`],
  ["hub schema 1.4", manifest({ hub: { schemaVersion: "1.4" } }), 412, `${HUB}.schemaVersion`],
  [
    "a missing hub schemaVersion",
    manifest({ hub: { schemaVersion: undefined } }),
    412,
    `${HUB}.schemaVersion`,
  ],
  ["text", "hello", 400, ""],
  ["null", null, 400, ""],
  ["a list", [], 400, ""],
  ["no modulesContent", { modules: {} }, 400, "modulesContent"],
  ["no modulesContent in content", { content: {} }, 400, "content.modulesContent"],
  [
    "no $edgeHub",
    { modulesContent: { $edgeAgent: { "properties.desired": { schemaVersion: "1.1" } } } },
    400,
    "modulesContent.$edgeHub",
  ],
  [
    "no properties.desired",
    { modulesContent: { $edgeAgent: { properties: { desired: {} } } } },
    400,
    'modulesContent.$edgeAgent["properties.desired"]',
  ],
  [
    "a layer",
    { modulesContent: { $edgeAgent: { "properties.desired.modules.m": {} } } },
    400,
    'modulesContent.$edgeAgent["properties.desired.modules.m"]',
  ],
  ["no runtime", manifest({ agent: { runtime: undefined } }), 400, `${AGENT}.runtime`],
  ["another runtime", manifest({ agent: { runtime: { type: "podman" } } }), 400, `${AGENT}.runtime.type`],
  ["no modules", manifest({ agent: { modules: undefined } }), 400, `${AGENT}.modules`],
  ["modules as a list", manifest({ agent: { modules: [] } }), 400, `${AGENT}.modules`],
  ["a module's name with a dot", withModule(moduleEntry(), "a.b"), 400, `${AGENT}.modules`],
  ["a system module's name", withModule(moduleEntry(), "edgeHub"), 400, `${AGENT}.modules.edgeHub`],
  ["no type", withModule(moduleEntry({ type: undefined })), 400, `${AGENT}.modules.thermo.type`],
  ["an unknown status", withModule(moduleEntry({ status: "paused" })), 400, `${AGENT}.modules.thermo.status`],
  [
    "an unknown policy",
    withModule(moduleEntry({ restartPolicy: "sometimes" })),
    400,
    `${AGENT}.modules.thermo.restartPolicy`,
  ],
  [
    "an unknown pull policy",
    withModule(moduleEntry({ imagePullPolicy: "always" })),
    400,
    `${AGENT}.modules.thermo.imagePullPolicy`,
  ],
  [
    "a negative startupOrder",
    withModule(moduleEntry({ startupOrder: -1 })),
    400,
    `${AGENT}.modules.thermo.startupOrder`,
  ],
  [
    "a startupOrder of 2^32",
    withModule(moduleEntry({ startupOrder: 2 ** 32 })),
    400,
    `${AGENT}.modules.thermo.startupOrder`,
  ],
  ["no settings", withModule(moduleEntry({ settings: undefined })), 400, `${AGENT}.modules.thermo.settings`],
  ["no image", withModule(moduleEntry({ settings: {} })), 400, `${AGENT}.modules.thermo.settings.image`],
  ["a blank image", withModule(moduleEntry({ image: " " })), 400, `${AGENT}.modules.thermo.settings.image`],
  [
    "a registry image",
    withModule(moduleEntry({ image: "example.com/thermo:1" })),
    400,
    `${AGENT}.modules.thermo.settings.image`,
  ],
  [
    "a download",
    withModule(moduleEntry({ image: "https://example.com/t.wasm" })),
    400,
    `${AGENT}.modules.thermo.settings.image`,
  ],
  [
    "a digest that is none",
    withModule(moduleEntry({ settings: { image: "file:a", digest: "md5:1" } })),
    400,
    `${AGENT}.modules.thermo.settings.digest`,
  ],
  [
    "an environment name with a dot",
    withModule(moduleEntry({ env: { "A.B": { value: "1" } } })),
    400,
    `${AGENT}.modules.thermo.env`,
  ],
  [
    "an environment value without value",
    withModule(moduleEntry({ env: { A: "1" } })),
    400,
    `${AGENT}.modules.thermo.env.A`,
  ],
  [
    "an environment value that is an object",
    withModule(moduleEntry({ env: { A: { value: {} } } })),
    400,
    `${AGENT}.modules.thermo.env.A.value`,
  ],
  [
    "1.1 without storeAndForwardConfiguration",
    manifest({ hub: { storeAndForwardConfiguration: undefined } }),
    400,
    `${HUB}.storeAndForwardConfiguration`,
  ],
  [
    "a priority of 10",
    manifest({ routes: { r: { route: "FROM /* INTO $upstream", priority: 10 } } }),
    400,
    `${HUB}.routes.r.priority`,
  ],
  [
    "a route object without route",
    manifest({ routes: { r: { priority: 1 } } }),
    400,
    `${HUB}.routes.r.route`,
  ],
  ["a route that is a number", manifest({ routes: { r: 1 } }), 400, `${HUB}.routes.r`],
  [
    "a route's name with a dot",
    manifest({ routes: { "a.b": "FROM /* INTO $upstream" } }),
    400,
    `${HUB}.routes`,
  ],
  [
    "a route object in schema 1.0",
    manifest({ hub: { schemaVersion: "1.0", routes: { r: { route: "x" } } } }),
    400,
    `${HUB}.routes.r`,
  ],
  ["a twin for no possible module", manifest({ configs: { "a b": {} } }), 400, 'modulesContent["a b"]'],
  [
    "a twin that is no object",
    manifest({ configs: { a: [] } }),
    400,
    'modulesContent.a["properties.desired"]',
  ],
])("%s is refused with its status and place", ([, json, status, path]) => {
  const error = refusal(json);
  expect({ status: error.status, path: error.path }).toEqual({ status, path });
});

test("a refusal quotes the offending value, but no environment value and no password", () => {
  expect(refusal(withModule(moduleEntry({ status: "paused" }))).message).toBe(
    `deployment: ${AGENT}.modules.thermo.status: must be one of "running", "stopped", got "paused"`,
  );
  const credentials = { acr: { address: "a", username: "u", password: 12345678 } };
  const runtime = { type: "docker", settings: { registryCredentials: credentials } };
  expect(refusal(manifest({ agent: { runtime } })).message).not.toContain("12345678");
  expect(refusal(withModule(moduleEntry({ env: { A: { value: ["s3cret"] } } }))).message).not.toContain(
    "s3cret",
  );
});

test("unknown keys are accepted, and each is named in a warning", () => {
  const { warnings } = decodeDeployment(
    manifest({
      modules: { thermo: moduleEntry({ restartPolcy: "never" }) },
      routes: { r: { route: "FROM /* INTO $upstream", prio: 1 } },
      hub: { mqttBroker: { authorizations: [] }, $version: 3 },
      configs: { thermo: {}, thremo: {} },
    }),
  );
  expect(warnings).toEqual([
    `${AGENT}.modules.thermo.restartPolcy: unknown key, has no effect`,
    `${HUB}.routes.r.prio: unknown key, has no effect`,
    `${HUB}.mqttBroker: not supported, has no effect`,
    'modulesContent.thremo["properties.desired"]: no such module in the deployment, has no effect',
  ]);
});

describe("policies of queues", () => {
  const withStore = (store: object) => manifest({ hub: { storeAndForwardConfiguration: store } });

  test("become part of the route table, as the hub has them", () => {
    const { routes } = decodeDeployment(
      withStore({
        timeToLiveSecs: 5,
        queues: {
          "thermo/in": { maxBytes: 2_000_000, overflow: "dead_letter", maxDeliveryCount: 10 },
          $upstream: { overflow: "drop_oldest" },
        },
        storeLimits: { maxSizeBytes: 3_000_000 },
      }),
    );
    expect(routes).toMatchObject({ timeToLiveSecs: 5, storeBytesMax: 3_000_000 });
    expect({ ...routes.queues }).toEqual({
      "thermo/in": { bytesMax: 2_000_000, overflow: "dead_letter", deliveriesMax: 10 },
      $upstream: { overflow: "drop_oldest" },
    });
    expect(decodeDeployment(withStore({})).routes).not.toHaveProperty("queues");
  });

  test.each([
    [{ "a/b": { maxSize: 1 } }, '["a/b"].maxSize: unknown key'],
    [{ "a/b": { maxBytes: 1_000 } }, '["a/b"].maxBytes: must be >= 1048576, got 1000'],
    [
      { "a/b": { overflow: "drop" } },
      '["a/b"].overflow: must be one of "refuse", "drop_oldest", "dead_letter", got "drop"',
    ],
    [
      { $upstream: { overflow: "refuse" } },
      '.$upstream.overflow: must be one of "drop_oldest", "dead_letter", got "refuse"',
    ],
    [{ "a/b": { maxDeliveryCount: 0 } }, '["a/b"].maxDeliveryCount: must be >= 1, got 0'],
    [{ "a/b": null }, '["a/b"]: must be object, got null'],
    [{ a: {} }, ': key "a" has characters that are not allowed'],
    [{ $dlq: {} }, ': key "$dlq" has characters that are not allowed'],
  ])("%j is refused with its place", (queues, message) => {
    const error = refusal(withStore({ queues }));
    expect(error).toMatchObject({ status: 400 });
    expect(error.message).toBe(`deployment: ${HUB}.storeAndForwardConfiguration.queues${message}`);
  });
});

test("keys named __proto__ are names like any other", () => {
  const json = JSON.parse(
    JSON.stringify(manifest())
      .replace('"modules":{}', `"modules":{"__proto__":${JSON.stringify(moduleEntry())}}`)
      .replace('"routes":{}', '"routes":{"__proto__":"FROM /* INTO $upstream"}')
      .replace(
        '"modulesContent":{',
        '"modulesContent":{"__proto__":{"properties.desired":{"__proto__":{"a":1}}},',
      ),
  ) as unknown;
  const deployment = decodeDeployment(json);
  expect([...deployment.modules.keys()]).toEqual(["__proto__"]);
  expect(Object.keys(deployment.routes.routes)).toEqual(["__proto__"]);
  expect(Object.keys(structuredClone(deployment.routes.routes))).toEqual(["__proto__"]);
  expect(JSON.stringify(deployment.configs.get("__proto__"))).toBe('{"__proto__":{"a":1}}');
  expect(({} as Record<string, unknown>)["a"]).toBeUndefined();
});

test("bounds hold: depth, size, modules, configuration", () => {
  let deep: unknown = 1;
  for (let i = 0; i < 10_000; i++) deep = [deep];
  expect(refusal(manifest({ configs: { m: { deep } } })).message).toMatch(/nested more than/);
  const long = "x".repeat(300 * 1024);
  expect(refusal(manifest({ configs: { m: { long } } })).path).toBe('modulesContent.m["properties.desired"]');
  expect(refusal(manifest({ configs: { m: { long: long.repeat(20) } } })).message).toMatch(
    /bytes, more than/,
  );
  const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`m${i}`, moduleEntry()]));
  expect(refusal(manifest({ modules: many })).path).toBe(`${AGENT}.modules`);
});
