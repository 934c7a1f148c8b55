import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { verifySasToken } from "../../../hub/identity/sas.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createFakeBackend, textEvent, type FakeBackend } from "../../host/management/fake-backend.ts";
import { DONE, NO_FLASH } from "../../host/fake-parts.ts";
import { runCommand } from "./run-command.ts";
import { startSmallGateway, type SmallGateway } from "./small-gateway.ts";

let dir: string;
let backend: FakeBackend;
let gateway: SmallGateway;

beforeEach(async () => {
  backend = createFakeBackend();
  gateway = await startSmallGateway(backend);
  dir = gateway.dir;
});
afterEach(() => gateway.stop());

const status = {
  gatewayId: "gw",
  hostname: "gw.example",
  version: "0.0.0",
  pid: 1,
  state: "running" as const,
  startedAt: new Date(0).toISOString(),
  listeners: [{ protocol: "mqtt", host: "0.0.0.0", port: 1883 }],
  managementUrl: null,
  hub: null,
  hubRestarts: 0,
  hubFailure: null,
  storesSetAside: [],
  storeRestored: null,
  deployment: null,
  certificate: null,
};

const run = (...argv: string[]) => runCommand(argv, { SANDPIPER_DIR: dir });

test("the folder is --dir before SANDPIPER_DIR", async () => {
  const list = ["device", "list", "--dir"];
  expect(await runCommand([...list, dir], { SANDPIPER_DIR: "/nowhere" })).toMatchObject({ code: 0 });
  expect(await runCommand([...list, "/nowhere"], { SANDPIPER_DIR: dir })).toEqual({
    code: 1,
    out: "",
    err: [
      'error: gateway in "/nowhere": there is none',
      "hint: name its folder with --dir or SANDPIPER_DIR, or make one with: sandpiper init",
    ].join("\n"),
  });
});

test("module-identity env prints lines to source, whatever is in them, or a file for docker", async () => {
  const shell = await run("module-identity", "env", "reader");
  expect(shell).toEqual({
    code: 0,
    out: [
      "export IOTEDGE_WORKLOADURI=unix:///run/sp/workload.sock",
      String.raw`export IOTEDGE_MODULEID='it'\''s $reader'`,
    ].join("\n"),
    err: "",
  });
  expect(await run("module-identity", "env", "reader", "--format", "docker")).toEqual({
    code: 0,
    out: ["IOTEDGE_WORKLOADURI=unix:///run/sandpiper/workload.sock", "IOTEDGE_MODULEID=it's $reader"].join(
      "\n",
    ),
    err: "hint: docker run --env-file <this> --volume /run/sp:/run/sandpiper:ro ...",
  });
  const json = await run("module-identity", "env", "reader", "--json");
  expect(JSON.parse(json.out)).toMatchObject({ socketFolder: "/run/sp", socketFault: null });
  expect(await run("module-identity", "env", "nobody")).toMatchObject({ code: 1, out: "" });
  expect(await run("module-identity", "env", "reader", "--format", "toml")).toMatchObject({ code: 2 });
});

test("init makes a gateway and says what comes next", async () => {
  const fresh = join(dir, "fresh");
  const { code, out } = await run("init", "--dir", fresh, "--id", "site-7", "--hostname", "site-7.example");
  expect(code).toBe(0);
  expect(out).toContain(`gateway "site-7" made in ${fresh}`);
  expect(out).toContain("sandpiper trust add");
});

test("openapi prints the document that a gateway would give, without one", async () => {
  const { code, out } = await runCommand(["openapi"], { SANDPIPER_DIR: "/nowhere" });
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ openapi: "3.1.0", paths: { "/devices/{deviceId}": {} } });
});

test("device add prints nothing but the connection string, for a shell to take, and a hint beside it", async () => {
  const { out, err } = await run("device", "add", "thermo1");
  expect(out).toMatch(/^HostName=gw\.example;DeviceId=thermo1;SharedAccessKey=[\w+/]{43}=$/);
  expect(err).toBe("for a client without SDK: sandpiper device token thermo1 --mqtt");
  expect((await run("device", "add", "thermo2", "--json")).err).toBe("");
});

test("activity shows what has happened, oldest first, to the end", async () => {
  expect(await run("activity")).toEqual({
    code: 0,
    out: "1970-01-01T00:00:00.000Z  module filter: running",
    err: "",
  });
  expect(JSON.parse((await run("activity", "--json")).out)).toMatchObject({ kind: "module", number: 0 });
});

test("device renew-key prints the connection string with the new key, once, and keeps the other one", async () => {
  const { primaryKey, secondaryKey } = JSON.parse((await run("device", "add", "d", "--json")).out);
  const { code, out, err } = await run("device", "renew-key", "d", "--primary");
  expect([code, err]).toEqual([0, "the primary key is another one now; it is shown this once"]);
  expect(out).toMatch(/^HostName=gw\.example;DeviceId=d;SharedAccessKey=[\w+/]{43}=$/);
  expect(out).not.toContain(primaryKey);
  const [{ authentication }] = (await backend.hub.identities()) as unknown as [{ authentication: object }];
  expect(authentication).toMatchObject({ secondaryKey });
  expect(await run("device", "renew-key", "d")).toMatchObject({ code: 2 });
  expect(await run("device", "renew-key", "d", "--primary", "--secondary")).toMatchObject({ code: 2 });
  backend.status = async () => status;
  await run("module-identity", "add", "reader");
  const module = JSON.parse(
    (await run("device", "renew-key", "--module", "reader", "--secondary", "--json")).out,
  );
  expect(module).toMatchObject({ deviceId: "gw", moduleId: "reader", renewed: "secondary" });
});

test("device parent sets the one parent of a device, and takes it away", async () => {
  for (const id of ["leaf", "one", "two"]) await run("device", "add", id);
  const parent = async () => JSON.parse((await run("device", "show", "leaf", "--json")).out).parent;
  expect((await run("device", "parent", "leaf", "one")).out).toBe("leaf is a child of one");
  expect((await run("device", "parent", "leaf", "two")).code).toBe(0);
  expect(await parent()).toBe("two");
  expect((await run("device", "parent", "leaf", "--none")).out).toBe("leaf has no parent");
  expect(await parent()).toBeNull();
  for (const wrong of [["leaf"], ["leaf", "one", "two"], ["leaf", "one", "--none"], ["--none"]]) {
    expect(await run("device", "parent", ...wrong)).toMatchObject({ code: 2 });
  }
});

test("device token prints nothing but a token of a device that is there, and never a key", async () => {
  const { primaryKey } = JSON.parse((await run("device", "add", "thermo1", "--json")).out);
  const { code, out, err } = await run("device", "token", "thermo1", "--hours", "1");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const audience = { hosts: ["gw.example"], deviceId: "thermo1", moduleId: null };
  const verdict = verifySasToken(out, audience, [primaryKey], Date.now());
  expect(verdict).toMatchObject({ ok: true });
  expect((verdict as { expiresMs: number }).expiresMs / 3_600_000).toBeCloseTo(Date.now() / 3_600_000 + 1, 2);
  expect(await run("device", "token", "thermo9")).toEqual({
    code: 1,
    out: "",
    err: 'error: identity: "thermo9" does not exist\nhint: see: sandpiper device list',
  });
});

test("device token --mqtt prints what a plain client needs, and a line that publishes", async () => {
  backend.status = async () => status;
  await run("device", "add", "thermo1");
  const { out } = await run("device", "token", "thermo1", "--mqtt");
  const { password } = JSON.parse((await run("device", "token", "thermo1", "--json")).out);
  expect(out).toContain("\nuser name  gw.example/thermo1/?api-version=");
  expect(out).toContain("\ntopic      devices/thermo1/messages/events/");
  expect(out).toContain("mosquitto_pub -h 127.0.0.1 -p 1883 -i thermo1 -q 1 \\");
  expect(password).toMatch(/^SharedAccessSignature sr=gw\.example%2Fdevices%2Fthermo1&/);
});

test("device add --module makes a module of the gateway", async () => {
  expect((await run("device", "add", "--module", "reader")).out).toContain("DeviceId=gw;ModuleId=reader;");
  expect((await run("device", "list")).out).toBe("DEVICE  MODULE  ENABLED\ngw      reader  yes");
  expect((await run("device", "remove", "gw", "--module", "reader")).out).toBe("removed gw/reader");
});

test("a device with a certificate gets no key, and a connection string that says so", async () => {
  const thumbprint = "AB".repeat(32);
  expect(
    await run("device", "add", "d1", "--x509-thumbprint", thumbprint, "--secondary", "CD".repeat(20)),
  ).toEqual({
    code: 0,
    out: "HostName=gw.example;DeviceId=d1;x509=true",
    err: "",
  });
  expect((await run("device", "add", "d2", "--x509-ca")).out).toBe(
    "HostName=gw.example;DeviceId=d2;x509=true",
  );
  expect(JSON.parse((await run("device", "show", "d1", "--json")).out)).toMatchObject({
    authentication: "selfSigned",
    thumbprints: [thumbprint, "CD".repeat(20)],
  });
  expect((await run("device", "token", "d2")).err).toContain('"d2" connects with a certificate');
});

test.for([
  ["--x509-ca", "--x509-thumbprint", "AB".repeat(32)],
  ["--secondary", "AB".repeat(32)],
  ["--x509-ca", "--mqtt"],
])("device add refuses %s %s", async (options) => {
  expect(await run("device", "add", "d1", ...options)).toMatchObject({ code: 2, out: "" });
  expect((await run("device", "list")).out).toContain("no devices");
});

test("device show says what a device is, and never a key", async () => {
  const { primaryKey, secondaryKey } = JSON.parse((await run("device", "add", "thermo1", "--json")).out);
  await run("device", "add", "leaf", "--parent", "thermo1");
  await run("device", "add", "thermo1", "--module", "m");
  const { out } = await run("device", "show", "thermo1");
  expect(out).toContain("device      thermo1\nenabled     yes\nproves it   by keys\n");
  expect(out).toMatch(/generation  [0-9a-f]{16}\nparent      -\nchildren    leaf\nmodules     m$/);
  const json = (await run("device", "show", "thermo1", "--json")).out;
  for (const key of [primaryKey, secondaryKey]) expect(out + json).not.toContain(key);
  expect((await run("device", "show", "nobody")).err).toContain('"nobody" does not exist');
});

test("device disable and enable say what they did", async () => {
  await run("device", "add", "thermo1");
  expect((await run("device", "disable", "thermo1")).out).toBe("disabled thermo1");
  expect((await run("device", "list")).out).toBe("DEVICE   MODULE  ENABLED\nthermo1  -       no");
  expect((await run("device", "enable", "thermo1")).out).toBe("enabled thermo1");
  expect((await run("device", "show", "thermo1")).out).toContain("enabled     yes");
  expect((await run("device", "disable", "nobody")).code).toBe(1);
});

test("module-identity adds, lists and removes modules of the gateway itself", async () => {
  backend.status = async () => status;
  await run("device", "add", "thermo1", "--module", "other");
  expect((await run("module-identity", "add", "reader")).out).toMatch(
    /^HostName=gw\.example;DeviceId=gw;ModuleId=reader;SharedAccessKey=[\w+/]{43}=;GatewayHostName=gw\.example$/,
  );
  expect((await run("module-identity", "list")).out).toBe("MODULE  ENABLED\nreader  yes");
  expect((await run("module-identity", "remove", "reader")).out).toBe("removed gw/reader");
  expect((await run("module-identity", "list")).out).toContain("no module identities");
});

test("a device that exists is named, and keeps its keys", async () => {
  await run("device", "add", "thermo1");
  const { code, err } = await run("device", "add", "thermo1", "--json");
  expect(code).toBe(1);
  expect(JSON.parse(err).error.code).toBe("SP_IDENTITY_EXISTS");
});

test("apply sends the file, and the folder its images are relative to", async () => {
  const file = join(dir, "deployment.json");
  await writeFile(file, '{"modulesContent":{}}');
  const { code, out } = await run("apply", file);
  expect({ code, out }).toEqual({ code: 0, out: "applied: 200" });
  expect(backend.applied).toEqual([{ deployment: { modulesContent: {} }, baseDir: dir }]);
});

test("a deployment that is not applied is an exit code of 1 and the reason", async () => {
  const file = join(dir, "deployment.json");
  await writeFile(file, "{}");
  backend.apply = async () => ({
    ...DONE,
    code: 500,
    description: 'artifact "filter.wasm": no signature beside it',
    error: { code: "SP_ARTIFACT_UNSIGNED", message: "", hint: "sign it", details: {} },
  });
  expect(await run("apply", file)).toEqual({
    code: 1,
    out: "",
    err: [
      'not applied: 500 artifact "filter.wasm": no signature beside it',
      "  hint: sign it",
      "  what ran before still runs; see: sandpiper list",
    ].join("\n"),
  });
  expect(JSON.parse((await run("apply", file, "--json")).out)).toMatchObject({ code: 500 });
});

test("a route that cannot be read is shown with a caret under the place", async () => {
  const file = join(dir, "deployment.json");
  await writeFile(file, "{}");
  const details = { query: "FORM /messages/* INTO $upstream", line: 1, column: 1, route: "in" };
  backend.apply = async () => ({
    ...DONE,
    code: 400,
    description: 'route "in": expected FROM',
    error: { code: "SP_ROUTE_SYNTAX", message: "", details },
  });
  expect((await run("apply", file)).err.split("\n")).toEqual([
    'not applied: 400 route "in": expected FROM',
    "  FORM /messages/* INTO $upstream",
    "  ^",
    "  what ran before still runs; see: sandpiper list",
  ]);
});

test("a deployment that was rolled back says to which one", async () => {
  const file = join(dir, "deployment.json");
  await writeFile(file, "{}");
  backend.apply = async () => ({ ...DONE, code: 500, description: "filter: failed", rolledBackTo: 3 });
  expect((await run("apply", file)).err).toContain("deployment 3 runs again");
});

test("a deployment that is not JSON is refused at its place, before anything is sent", async () => {
  const file = join(dir, "deployment.json");
  await writeFile(file, '{\n  "a": 1,\n}');
  expect((await run("apply", file)).err).toContain(`error: ${file}:3:1: `);
  expect(await run("apply", join(dir, "none.json"))).toMatchObject({
    code: 1,
    err: `error: file "${join(dir, "none.json")}": not found`,
  });
  expect(backend.applied).toEqual([]);
});

test("list is a table, or JSON", async () => {
  const module = {
    name: "filter",
    status: "running" as const,
    description: "up 3 s\u001b[31m",
    restarts: 0,
    image: "file:filter.wasm",
    digest: null,
    version: "",
    lastError: null,
    startedAt: null,
    inputs: [],
    outputs: [],
  };
  backend.modules = async () => [module];
  expect((await run("list")).out.split("\n")).toEqual([
    "NAME    STATUS   DESCRIPTION       RESTARTS  IMAGE",
    "filter  running  up 3 s\\u{1b}[31m         0  file:filter.wasm",
  ]);
  expect(JSON.parse((await run("list", "--json")).out)).toEqual([module]);
});

test.for([
  [{ ...DONE, version: 3 }, "deployed  deployment 3"],
  [{ ...DONE, version: 0, code: 417, description: "no deployment yet" }, "deployed  nothing yet; "],
  [
    { ...DONE, version: 4, code: 500, description: 'rolled back to deployment 3: module "a"\u001b' },
    'deployed  not deployment 4: 500 rolled back to deployment 3: module "a"\\u{1b}',
  ],
])("status says what came of the last deployment: %j", async ([deployment, line]) => {
  backend.status = async () => ({ ...status, deployment: deployment as typeof DONE });
  expect((await run("status")).out).toContain(`\n${line as string}`);
});

test("status says where messages went, and what is the matter with which client", async () => {
  const counters = { received: 9, no_route: 2, expired: 0, dead_lettered: 1, groups: 5 };
  const at = new Date(Date.now() - 65_000).toISOString();
  const troubles = [{ client: "d1\u001b[2J", what: "refused: token has expired", at, times: 3 }];
  const hub = { state: "full" as const, connections: 2, counters, flash: NO_FLASH, troubles };
  backend.status = async () => ({ ...status, hub });
  const { out } = await run("status");
  expect(out).toContain(
    [
      "hub       store full, 2 connections",
      "          producers wait until consumers make room: sandpiper queue list",
      "messages  9 received, 2 matched no route, 1 dead-lettered",
      "flash     0 B a second, 0 B a day over the last minute",
      "          0 B a second, 0 B a day since the start",
      "trouble   d1\\u{1b}[2J, 1 m ago, 3 times: refused: token has expired",
    ].join("\n"),
  );
});

test("list says how long a module has been running", async () => {
  const startedAt = new Date(Date.now() - 3 * 60_000).toISOString();
  const ports = { inputs: [], outputs: [], image: "file:a.wasm", version: "", digest: null, lastError: null };
  const running = { ...ports, status: "running" as const, description: "running", restarts: 1, startedAt };
  backend.modules = async () => [{ name: "a", ...running }];
  expect((await run("list")).out).toContain("a     running  up 3 m");
});

test("restart starts a module anew", async () => {
  expect((await run("restart", "filter")).out).toBe("restarting filter");
  expect(backend.restarted).toEqual(["filter"]);
});

test("logs prints the lines that were asked for", async () => {
  expect((await run("logs", "filter", "-n", "2")).out).toBe("line 0\nline 1");
  expect((await run("logs", "nobody")).err).toBe('error: module "nobody": unknown');
});

test("events shows the last ones, one line each", async () => {
  for (let n = 0; n < 30; n++) backend.events.push(textEvent(n, `{"n":${n}}`));
  const { out } = await run("events", "--tail", "2");
  expect(out.split("\n")).toEqual([
    '2023-11-14T22:13:20.028Z gw/filter alerts level=high {"n":28}',
    '2023-11-14T22:13:20.029Z gw/filter alerts level=high {"n":29}',
  ]);
  expect((await run("events", "--from", "0")).out.split("\n")).toHaveLength(30);
});

test("events that are not there are said not to be, to people", async () => {
  expect((await run("events")).out).toBe("no events; what routes send INTO $upstream arrives here");
  expect((await run("events", "--json")).out).toBe("");
});

test("events --json is one object a line, with text as text and bytes as base64", async () => {
  backend.events.push(textEvent(0, "hot"), { ...textEvent(1, ""), body: new Uint8Array([0xff]) });
  const lines = (await run("events", "--json")).out.split("\n").map((line) => JSON.parse(line));
  expect(lines.map(({ body, bodyEncoding }) => [body, bodyEncoding])).toEqual([
    ["hot", "utf8"],
    ["/w==", "base64"],
  ]);
  expect(lines[0].properties).toEqual({ level: "high" });
});

test("events that were given up before they were read are counted", async () => {
  backend.events.push(textEvent(7, "late"));
  const readEvents = backend.hub.readEvents;
  backend.hub.readEvents = async (query) => ({ ...(await readEvents(query)), oldest: 7 });
  expect((await run("events", "--from", "2")).err).toContain("5 events were given up");
});

test.for([
  [["apply"], "argument <deployment.json>: missing"],
  [["logs", "a", "b"], 'argument "b": one too many'],
  [["logs", "a", "--lines", "many"], 'option --lines "many": not a whole number from 0 to 10000'],
  [["events", "--from=-1"], 'option --from "-1": not a whole number from 0 on'],
  [["events", "--from", "1", "--tail", "1"], "options --tail and --from: exclude each other"],
  [["device", "token", "a", "--hours", "0"], 'option --hours "0": not a whole number from 1 to 8760'],
  [["device", "token"], "argument <device>: missing"],
  [["dlq", "list", "--limit", "0"], 'option --limit "0": not a whole number from 1 to 1000'],
  [["dlq", "list", "--from", "7"], 'option --from "7": not a place'],
  [["dlq", "show", "a/b"], "argument <offset>: missing"],
  [["dlq", "show", "a/b", "x"], 'argument <offset> "x": not a whole number'],
  [["dlq", "replay", "a/b"], "arguments: either an <offset> or --all"],
  [["dlq", "purge", "a/b", "1", "--all"], "arguments: either an <offset> or --all"],
  [["tap"], "argument <endpoint>: missing"],
  [["tap", "a/b", "--rate", "0"], 'option --rate "0": not a whole number from 1 to 1000'],
  [["list", "--follow"], "option --follow: unknown"],
] as const)("%j is a mistake of usage: %s", async ([argv, message]) => {
  const { code, err } = await run(...argv);
  expect(code).toBe(2);
  expect(err).toContain(`error: ${message}`);
});

test("twin get prints what people look for, and all of it as JSON", async () => {
  const { code, out } = await run("twin", "get", "thermo1");
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({
    etag: "MQ==",
    tags: { site: "north" },
    desired: { period: 5, $version: 2 },
    reported: { $version: 1 },
  });
  backend.status = async () => status;
  const whole = JSON.parse((await run("twin", "get", "--module", "m", "--json")).out) as object;
  expect(whole).toMatchObject({ deviceId: "gw", moduleId: "m", version: 1 });
});

test("twin patch and replace take JSON or a file, for exactly one section", async () => {
  const file = join(dir, "patch.json");
  await writeFile(file, '{"mode":"eco"}');
  expect(await run("twin", "patch", "d", "--desired", '{"period":5}', "--if-match", "MQ==")).toMatchObject({
    code: 0,
  });
  expect(await run("twin", "replace", "d", "--module", "m", "--tags", file)).toMatchObject({ code: 0 });
  expect(backend.changes).toEqual([
    {
      deviceId: "d",
      moduleId: null,
      change: { section: "desired", patch: { period: 5 }, replaces: false, ifMatch: "MQ==" },
    },
    { deviceId: "d", moduleId: "m", change: { section: "tags", patch: { mode: "eco" }, replaces: true } },
  ]);
});

test.for([
  ["no section", ["twin", "patch", "d"]],
  ["two sections", ["twin", "patch", "d", "--desired", "{}", "--tags", "{}"]],
  ["nobody", ["twin", "get"]],
  ["an empty module", ["twin", "get", "--module", ""]],
  ["no method", ["method", "invoke"]],
  ["a method of nobody", ["method", "invoke", "reboot"]],
  ["a time-out below 5 s", ["method", "invoke", "d", "reboot", "--timeout", "4"]],
] as const)("a twin or method command with %s is a usage error", async ([, argv]) => {
  expect(await run(...argv)).toMatchObject({ code: 2 });
});

test("JSON that is none has a place, and a file that is not there is named", async () => {
  expect((await run("twin", "patch", "d", "--desired", "{a:1}")).err).toContain("--desired:1:2");
  expect((await run("twin", "patch", "d", "--desired", "nowhere.json")).err).toContain('file "nowhere.json"');
});

test("method invoke prints the callee's status and answer, and fails when it is not there", async () => {
  const asked = ["method", "invoke", "d", "--module", "m", "reboot", "--payload", "[1]", "--timeout", "7"];
  const { code, out } = await run(...asked, "--wait", "3", "--json");
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({
    status: 200,
    payload: {
      deviceId: "d",
      moduleId: "m",
      request: {
        methodName: "reboot",
        payload: [1],
        responseTimeoutInSeconds: 7,
        connectTimeoutInSeconds: 3,
      },
    },
  });
  backend.status = async () => status;
  expect((await run("method", "invoke", "--module", "m", "ping")).out).toMatch(/^200 \{"deviceId":"gw"/);
  expect(await run("method", "invoke", "offline", "ping")).toMatchObject({ code: 1 });
});
