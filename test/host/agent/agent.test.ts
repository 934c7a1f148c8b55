/**
 * The agent from outside: deployments applied, refused, rolled back and booted again, over a hub and sandboxes
 * that the bench plays. One file, because each test is a short story on the same bench.
 */
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Fault } from "../../../abi/index.ts";
import { signer, trustFile, writeSigned } from "../../support/signing.ts";
import { moduleWasm } from "../../support/wasm.ts";
import { openBench } from "./bench.ts";

const ROUTES = { up: "FROM /messages/modules/thermo/outputs/* INTO $upstream" };
const BROKEN: Fault = { kind: "init", message: "no config" };
/** Of the calls to the hub. */
const isOfModules = (call: string): boolean => !/^(set|settle)Routes$/.test(call);

test("a deployment's routes are set, and its modules run with their configuration and limits", async () => {
  const { dir, build, start, deployment } = await openBench();
  const digest = await build("thermo", { inputs: ["in"], outputs: ["alerts"] });
  const { agent, hub, sandboxes } = start();
  await agent.boot();
  const options = JSON.stringify({ sandpiper: { recordDeadlineMs: 250, grants: ["log"] } });
  const status = await agent.apply(
    deployment(
      { thermo: { createOptions: options, env: { UNIT: { value: "C" } } } },
      { routes: ROUTES, configs: { thermo: { threshold: 40 } } },
    ),
    { baseDir: dir },
  );
  expect(status).toEqual({ version: 1, code: 200, description: "", warnings: [], rolledBackTo: null });
  expect(hub.tables).toEqual([{ routes: { up: { route: ROUTES.up } }, timeToLiveSecs: 7200 }]);
  expect(hub.moduleTwins).toEqual({ thermo: { threshold: 40 } });
  expect(sandboxes.running("thermo")!.spec).toMatchObject({
    digest: digest.slice(7),
    grants: ["log"],
    config: { threshold: 40 },
    configVersion: 1,
    env: { UNIT: "C" },
    limits: { recordDeadlineMs: 250 },
  });
  expect(agent.modules()).toMatchObject([
    {
      name: "thermo",
      status: "running",
      digest,
      restarts: 0,
      lastError: null,
      inputs: ["in"],
      outputs: ["alerts"],
    },
  ]);
});

test("the same deployment again changes nothing that runs, and compiles nothing", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  const { agent, hub, sandboxes, compiled } = start();
  const json = deployment({ thermo: {} }, { configs: { thermo: { a: 1 } } });
  await agent.apply(json, { baseDir: dir });
  expect(await agent.apply(json, { baseDir: dir })).toMatchObject({ version: 2, code: 200 });
  expect(sandboxes.starts.length).toBe(1);
  expect(compiled).toEqual(["thermo 1.0.0"]);
  expect(hub.calls.filter(isOfModules)).toEqual(["open thermo", "ready thermo"]);
});

test("a module that is not listed keeps its configuration; a changed one restarts it", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  const { agent, sandboxes } = start();
  const apply = (configs: Record<string, unknown>) =>
    agent.apply(deployment({ thermo: {} }, { configs }), { baseDir: dir });
  await apply({ thermo: { a: 1 } });
  await apply({});
  expect(sandboxes.starts.length).toBe(1);
  await apply({ thermo: { a: 2 } });
  expect(sandboxes.running("thermo")!.spec).toMatchObject({ config: { a: 2 }, configVersion: 3 });
});

test("policy, order and status are changed in place", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  const { agent, sandboxes } = start();
  const apply = (entry: Record<string, unknown>) =>
    agent.apply(deployment({ thermo: entry }), { baseDir: dir });
  await apply({ restartPolicy: "always" });
  await apply({ restartPolicy: "never", startupOrder: 3 });
  expect(sandboxes.starts.length).toBe(1);
  expect(agent.reported()).toMatchObject({
    modules: { thermo: { restartPolicy: "never", startupOrder: 3 } },
  });
  await apply({ status: "stopped", restartPolicy: "never", startupOrder: 3 });
  expect(sandboxes.running("thermo")).toBeUndefined();
  expect(agent.modules()).toMatchObject([{ name: "thermo", status: "stopped" }]);
  await apply({ status: "running", restartPolicy: "never", startupOrder: 3 });
  expect(sandboxes.starts.length).toBe(2);
});

test("a module that leaves is stopped, and forgotten only when the new deployment is healthy", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  await build("pump");
  const { agent, hub } = start();
  await agent.apply(deployment({ thermo: {}, pump: {} }), { baseDir: dir });
  await agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  expect(hub.calls.slice(-3)).toEqual(["close pump drain", "settleRoutes", "forget pump"]);
  expect(await readdir(join(dir, "logs"))).toEqual(["thermo.log"]);
  const stored = (await readdir(join(dir, "artifacts", "sha256"))).filter((name) => name.endsWith(".wasm"));
  expect(stored.length).toBe(1);
});

test("modules start in the order of startupOrder", async () => {
  const { dir, build, start, deployment } = await openBench();
  for (const name of ["a", "b", "c"]) await build(name);
  const { agent, hub } = start();
  await agent.apply(deployment({ a: { startupOrder: 2 }, b: {}, c: { startupOrder: 1 } }), { baseDir: dir });
  const opened = hub.calls.filter(isOfModules);
  expect(opened).toEqual(["open c", "ready c", "open a", "ready a", "open b", "ready b"]);
});

/** What may be wrong with a second deployment, the code it gets, and a word of the reason. */
const refusals: [
  string,
  (bench: Awaited<ReturnType<typeof openBench>>) => Promise<unknown>,
  number,
  RegExp,
][] = [
  ["is malformed", async () => ({ modulesContent: 1 }), 400, /modulesContent: must be an object/],
  [
    "has another schema",
    async ({ deployment }) => deployment({ thermo: {} }, { agent: { schemaVersion: "2.0" } }),
    412,
    /schemaVersion/,
  ],
  ["is empty", async () => ({}), 417, /empty/],
  [
    "asks a container engine for something",
    async ({ deployment }) => deployment({ thermo: { createOptions: '{"HostConfig":{"Privileged":true}}' } }),
    400,
    /"HostConfig\.Privileged"/,
  ],
  [
    "names an artifact that is not there",
    async ({ deployment }) => deployment({ thermo: {}, ghost: {} }),
    500,
    /module "ghost": artifact .*no such file/,
  ],
  [
    "names an unsigned artifact",
    async ({ dir, deployment }) => {
      await writeFile(join(dir, "raw.wasm"), moduleWasm({ name: "raw" }));
      return deployment({ thermo: {}, raw: {} });
    },
    500,
    /module "raw": artifact .*no signature/,
  ],
  [
    "names an artifact of a stranger",
    async ({ dir, deployment }) => {
      await writeSigned(join(dir, "odd.wasm"), moduleWasm({ name: "odd" }), signer("mallory"));
      return deployment({ thermo: {}, odd: {} });
    },
    500,
    /module "odd": artifact .*does not trust/,
  ],
  [
    "names what is signed but no module",
    async ({ dir, alice, deployment }) => {
      await writeSigned(join(dir, "text.wasm"), Buffer.from("hello"), alice);
      return deployment({ thermo: {}, text: {} });
    },
    500,
    /module "text"/,
  ],
  [
    "has a route that the hub cannot parse",
    async ({ build, deployment }) => {
      await build("thermo", { version: "2.0.0" });
      return deployment({ thermo: {} }, { routes: { bad: "SYNTAX" } });
    },
    400,
    /route "bad": expected INTO/,
  ],
  [
    "could not read the state that is there",
    async ({ build, deployment }) => {
      await build("thermo", { version: "2.0.0", state: { schema: 2, reads: [] } });
      return deployment({ thermo: {} });
    },
    500,
    /module "thermo": its stored state has schema 1/,
  ],
];

test.for(refusals)("a deployment that %s changes nothing", async ([, make, code, why]) => {
  const bench = await openBench();
  await bench.build("thermo", { state: { schema: 1, reads: [] } });
  const { agent, hub, running } = bench.start();
  await agent.apply(bench.deployment({ thermo: {} }, { routes: ROUTES }), { baseDir: bench.dir });
  const before = { calls: [...hub.calls], tables: [...hub.tables], started: agent.modules()[0]!.startedAt };
  const status = await agent.apply(await make(bench), { baseDir: bench.dir });
  expect(status).toMatchObject({ version: 2, code, rolledBackTo: null });
  expect(status.description).toMatch(why);
  expect(status.error).toBeDefined();
  expect(hub.tables).toEqual(before.tables);
  expect(hub.calls.filter(isOfModules)).toEqual(before.calls.filter(isOfModules));
  expect(running()).toEqual(["thermo 1.0.0"]);
  expect(agent.modules()[0]!.startedAt).toBe(before.started);
  expect(agent.reported()).toMatchObject({ lastDesiredVersion: 2, lastDesiredStatus: { code } });
});

test("artifacts of a refused deployment do not pile up", async () => {
  const { dir, build, start, deployment } = await openBench();
  const digest = await build("thermo");
  const { agent } = start();
  await agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  await build("other");
  expect(await agent.apply(deployment({ other: {}, ghost: {} }), { baseDir: dir })).toMatchObject({
    code: 500,
  });
  const stored = (await readdir(join(dir, "artifacts", "sha256"))).filter((name) => name.endsWith(".wasm"));
  expect(stored).toEqual([`${digest.slice(7)}.wasm`]);
});

test("every module that cannot be made ready is named at once", async () => {
  const { dir, start, deployment } = await openBench();
  const { agent } = start();
  const { description } = await agent.apply(deployment({ a: {}, b: {} }), { baseDir: dir });
  expect(description).toMatch(/module "a": .*; module "b": /);
});

test("desired properties that no twin may hold are refused, with the place, before anything changes", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  const { agent, hub } = start();
  const configs = { thermo: { limits: { "a.b": 1 } } };
  expect(await agent.apply(deployment({ thermo: {} }, { configs }), { baseDir: dir })).toMatchObject({
    code: 400,
    description: expect.stringContaining('"limits.a.b"') as string,
  });
  expect([hub.tables, hub.moduleTwins]).toEqual([[], {}]);
});

test("a hub that cannot take the routes leaves everything as it was", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  const { agent, hub, running } = start();
  await agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  await build("thermo", { version: "2.0.0" });
  hub.failNext.set("setRoutes", new Error("store is full"));
  expect(await agent.apply(deployment({ thermo: {} }), { baseDir: dir })).toMatchObject({
    code: 500,
    description: "store is full",
  });
  expect(running()).toEqual(["thermo 1.0.0"]);
});

test("a deployment that does not become healthy is rolled back: modules, routes and configuration", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo", { version: "1.0.0" });
  await build("pump");
  const { agent, hub, sandboxes, running } = start();
  await agent.apply(deployment({ thermo: {}, pump: {} }, { routes: ROUTES, configs: { thermo: { a: 1 } } }), {
    baseDir: dir,
  });
  const digest = await build("thermo", { version: "2.0.0" });
  sandboxes.behaviours.set(digest.slice(7), BROKEN);
  await build("extra");
  const status = await agent.apply(
    deployment({ thermo: {}, extra: {} }, { routes: {}, configs: { thermo: { a: 2 } } }),
    { baseDir: dir },
  );
  expect(status).toMatchObject({ version: 2, code: 500, rolledBackTo: 1 });
  expect(hub.moduleTwins).toEqual({ thermo: { a: 1 } });
  expect(status.description).toMatch(
    /^rolled back to deployment 1: module "thermo" is backoff: waits 60 s before it starts again: init: no config$/,
  );
  expect(running()).toEqual(["pump 1.0.0", "thermo 1.0.0"]);
  expect(sandboxes.running("thermo")!.spec.config).toEqual({ a: 1 });
  expect(hub.tables.at(-1)).toEqual(hub.tables[0]);
  expect(hub.calls.filter((call) => call.startsWith("forget"))).toEqual(["forget extra"]);
});

test("queues without a route go when a deployment is healthy or rolled back, and what they held is told [J28]", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  const { agent, hub, sandboxes, log } = start();
  await agent.apply(deployment({ thermo: {} }, { routes: ROUTES }), { baseDir: dir });
  hub.orphans.push({ endpoint: "pump/in", messages: 3, bytes: 4711 });
  const status = await agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  const told =
    'queue "pump/in" was deleted, since no route leads to it any more: it held 3 messages, 4711 bytes';
  expect(status).toMatchObject({ code: 200, warnings: [told] });
  expect(log.kept.map(({ fields }) => fields)).toContainEqual({
    endpoint: "pump/in",
    messages: 3,
    bytes: 4711,
  });

  sandboxes.behaviours.set((await build("thermo", { version: "2.0.0" })).slice(7), BROKEN);
  hub.calls.length = 0;
  hub.orphans.push({ endpoint: "new/in", messages: 1, bytes: 64 });
  const back = await agent.apply(deployment({ thermo: {} }, { routes: ROUTES }), { baseDir: dir });
  expect(back).toMatchObject({ rolledBackTo: 2, warnings: [expect.stringContaining("new/in")] });
  const [routes, restored, settled] = ["setRoutes", "setRoutes", "settleRoutes"].map(
    (
      (from) => (call) =>
        (from = hub.calls.indexOf(call, from + 1))
    )(-1),
  );
  expect([routes! >= 0, restored! > routes!, settled! > restored!]).toEqual([true, true, true]);
});

test("a roll-back that could not restore the routes deletes no queue", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  const { agent, hub, sandboxes } = start();
  await agent.apply(deployment({ thermo: {} }, { routes: ROUTES }), { baseDir: dir });
  sandboxes.behaviours.set((await build("thermo", { version: "2.0.0" })).slice(7), BROKEN);
  const applied = agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  await expect.poll(() => hub.tables.length).toBe(2);
  hub.failNext.set("setRoutes", new Error("store is full"));
  hub.calls.length = 0;
  expect((await applied).description).toContain("its routes could not be restored: store is full");
  expect(hub.calls).not.toContain("settleRoutes");
});

test("a module that fails for good is not waited for", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  const { agent, sandboxes, running } = start({ health: { healthyWithinMs: 3_600_000, healthyForMs: 10 } });
  await agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  const digest = await build("thermo", { version: "2.0.0" });
  sandboxes.behaviours.set(digest.slice(7), BROKEN);
  const status = await agent.apply(deployment({ thermo: { restartPolicy: "never" } }), { baseDir: dir });
  expect(status).toMatchObject({ code: 500, rolledBackTo: 1 });
  expect(running()).toEqual(["thermo 1.0.0"]);
});

test("a module that comes up at its second try within the window is healthy", async () => {
  const { dir, build, start, deployment } = await openBench();
  const digest = await build("thermo");
  const { agent, sandboxes } = start({
    health: { healthyWithinMs: 10_000, healthyForMs: 10 },
    restart: { backoffMs: 20 },
  });
  sandboxes.behaviours.set(digest.slice(7), [BROKEN, "start"]);
  expect(await agent.apply(deployment({ thermo: {} }), { baseDir: dir })).toMatchObject({ code: 200 });
  expect(agent.modules()).toMatchObject([{ status: "running", restarts: 1, lastError: "init: no config" }]);
});

test("a deployment is not blamed for a module that was broken before it", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  await build("pump");
  const { agent, sandboxes } = start();
  await agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  sandboxes.running("thermo")!.fault("wasi");
  expect(await agent.apply(deployment({ thermo: {}, pump: {} }), { baseDir: dir })).toMatchObject({
    code: 200,
  });
});

test("the first deployment has nothing to go back to and is left running", async () => {
  const { dir, build, start, deployment } = await openBench();
  const digest = await build("thermo");
  await build("pump");
  const { agent, sandboxes, running } = start();
  sandboxes.behaviours.set(digest.slice(7), BROKEN);
  const status = await agent.apply(deployment({ thermo: {}, pump: {} }), { baseDir: dir });
  expect(status).toMatchObject({ code: 500, rolledBackTo: null });
  expect(status.description).toContain("no earlier deployment");
  expect(running()).toEqual(["pump 1.0.0"]);
});

test("a deployment that was never healthy is nothing to go back to, after a reboot either", async () => {
  const { dir, build, start, deployment } = await openBench();
  const bad = await build("thermo", { version: "1.0.0" });
  const first = start();
  first.sandboxes.behaviours.set(bad.slice(7), BROKEN);
  await first.agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  await first.agent.stop();
  const second = start();
  expect(await second.agent.boot()).toMatchObject({ version: 1, code: 500 });
  const worse = await build("thermo", { version: "2.0.0" });
  second.sandboxes.behaviours.set(worse.slice(7), BROKEN);
  const status = await second.agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  expect(status).toMatchObject({ version: 2, code: 500, rolledBackTo: null });
  expect(second.agent.modules()).toMatchObject([{ digest: worse, status: "backoff" }]);
});

test("code is not rolled back onto state that it cannot read", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo", { version: "1.0.0", state: { schema: 1, reads: [] } });
  const { agent, sandboxes } = start();
  await agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  const digest = await build("thermo", { version: "2.0.0", state: { schema: 2, reads: [1] } });
  sandboxes.behaviours.set(digest.slice(7), BROKEN);
  const status = await agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  expect(status).toMatchObject({ code: 500, rolledBackTo: null });
  expect(status.description).toContain('not rolled back: module "thermo": its stored state has schema 2');
  expect(agent.modules()).toMatchObject([{ digest, status: "backoff" }]);
});

test("deployments are applied one at a time, in order, and only so many may wait", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  await build("pump");
  const { agent, running } = start({ health: { healthyForMs: 10, healthyWithinMs: 400 }, appliesMax: 2 });
  const applies = [
    agent.apply(deployment({ thermo: {} }), { baseDir: dir }),
    agent.apply(deployment({ thermo: {}, pump: {} }), { baseDir: dir }),
    agent.apply(deployment({ pump: {} }), { baseDir: dir }),
  ];
  await expect(agent.apply(deployment({}), { baseDir: dir })).rejects.toMatchObject({
    code: "SP_AGENT_BUSY",
  });
  expect((await Promise.all(applies)).map(({ version, code }) => [version, code])).toEqual([
    [1, 200],
    [2, 200],
    [3, 200],
  ]);
  expect(running()).toEqual(["pump 1.0.0"]);
});

test("a boot runs the last good deployment without its sources and without a new look at them", async () => {
  const { dir, build, start, deployment, remove } = await openBench();
  await build("thermo", { version: "1.0.0" });
  const first = start();
  await first.agent.apply(deployment({ thermo: {} }, { routes: ROUTES, configs: { thermo: { a: 1 } } }), {
    baseDir: dir,
  });
  await first.agent.stop();
  await remove("thermo.wasm");
  await build("thermo", { version: "9.9.9" });
  const second = start();
  expect(await second.agent.boot()).toMatchObject({ version: 1, code: 200 });
  expect(second.running()).toEqual(["thermo 1.0.0"]);
  expect(second.sandboxes.running("thermo")!.spec).toMatchObject({ config: { a: 1 }, configVersion: 1 });
  expect(second.hub.tables).toEqual(first.hub.tables);
});

test("a boot after a roll-back runs what was rolled back to, and still says why", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo", { version: "1.0.0" });
  const first = start();
  await first.agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  const digest = await build("thermo", { version: "2.0.0" });
  first.sandboxes.behaviours.set(digest.slice(7), BROKEN);
  const rolledBack = await first.agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  await first.agent.stop();
  const second = start();
  expect(await second.agent.boot()).toEqual({ ...rolledBack, warnings: [] });
  expect(second.running()).toEqual(["thermo 1.0.0"]);
});

test("a gateway that was never given a deployment boots empty", async () => {
  const { start } = await openBench();
  const { agent } = start();
  expect(await agent.boot()).toMatchObject({ version: 0, code: 417 });
  expect(agent.modules()).toEqual([]);
});

test("a deployment under way at a power cut is taken up again, after the last good one runs", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo", { version: "1.0.0" });
  const first = start({ health: { healthyForMs: 10, healthyWithinMs: 400 } });
  await first.agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  await build("thermo", { version: "2.0.0" });
  first.cutPower();
  void first.agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  await expect.poll(() => first.hub.calls.filter((call) => call === "open thermo").length).toBe(2);
  await rm(join(dir, "thermo.wasm")); // the source is gone, too
  const second = start();
  expect(await second.agent.boot()).toMatchObject({ version: 1, code: 200 });
  await expect.poll(() => second.agent.status()).toMatchObject({ version: 2, code: 200 });
  expect(second.running()).toEqual(["thermo 2.0.0"]);
  expect(second.sandboxes.starts.map(({ spec }) => spec.name)).toEqual(["thermo", "thermo"]);
});

test("a deployment that was under way at two crashes is not tried a third time", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo", { version: "1.0.0" });
  const good = start();
  await good.agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  await good.agent.stop();
  await build("thermo", { version: "2.0.0" });
  const first = start();
  await first.agent.boot();
  first.cutPower();
  void first.agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  await expect.poll(() => first.hub.calls.filter((call) => call === "open thermo").length).toBe(2);
  const second = start();
  await second.agent.boot();
  second.cutPower();
  await expect.poll(() => second.hub.calls.filter((call) => call === "open thermo").length).toBe(2);
  const third = start();
  const status = await third.agent.boot();
  expect(status).toMatchObject({ code: 500 });
  expect(status.description).toContain("deployment 2: the gateway went down 2 times");
  expect(third.running()).toEqual(["thermo 1.0.0"]);
});

test.for([
  ["a flipped byte", (bytes: Buffer) => ((bytes[bytes.length >> 1]! ^= 1), bytes)],
  ["half of it", (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1)],
  ["nothing in it", () => Buffer.alloc(0)],
] as const)(
  "a last-good file with %s is told of, and the wanted deployment stands in",
  async ([, damage]) => {
    const { dir, build, start, deployment } = await openBench();
    await build("thermo");
    const first = start();
    await first.agent.apply(deployment({ thermo: {} }), { baseDir: dir });
    await first.agent.stop();
    const path = join(dir, "agent", "last-good.json");
    await writeFile(path, damage(await readFile(path)));
    const second = start();
    const status = await second.agent.boot();
    expect(status.code).toBe(500);
    expect(status.description).toContain("last-good.json");
    expect(second.running()).toEqual(["thermo 1.0.0"]);
    await second.agent.stop();
    const third = start();
    expect(await third.agent.boot()).toMatchObject({ code: 200 }); // it was written anew
  },
);

test("a damaged file of the wanted deployment does not keep the last good one from running", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  const first = start();
  await first.agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  await first.agent.stop();
  await writeFile(join(dir, "agent", "deployment.json"), "{");
  const second = start();
  expect(await second.agent.boot()).toMatchObject({ version: 1, code: 500 });
  expect(second.running()).toEqual(["thermo 1.0.0"]);
});

test("with both files damaged nothing runs, the agent lives, and a new deployment mends it", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  const first = start();
  await first.agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  await first.agent.stop();
  for (const file of ["deployment.json", "last-good.json"])
    await writeFile(join(dir, "agent", file), "\u0000");
  const second = start();
  expect(await second.agent.boot()).toMatchObject({ code: 500 });
  expect(second.running()).toEqual([]);
  expect(await second.agent.apply(deployment({ thermo: {} }), { baseDir: dir })).toMatchObject({ code: 200 });
});

test("an artifact that rotted on the disk is refused at boot by name, and the other modules run", async () => {
  const { dir, build, start, deployment, remove } = await openBench();
  const digest = await build("thermo");
  await build("pump");
  const first = start();
  await first.agent.apply(deployment({ thermo: {}, pump: {} }), { baseDir: dir });
  await first.agent.stop();
  await remove("thermo.wasm");
  const path = join(dir, "artifacts", "sha256", `${digest.slice(7)}.wasm`);
  const bytes = await readFile(path);
  bytes[9]! ^= 0x10;
  await writeFile(path, bytes);
  const second = start();
  const status = await second.agent.boot();
  expect(status.code).toBe(500);
  expect(status.description).toMatch(/module "thermo": artifact .*its content is sha256:/);
  expect(second.running()).toEqual(["pump 1.0.0"]);
  expect(second.compiled).toEqual(["pump 1.0.0"]);
  expect(second.agent.modules()[1]).toMatchObject({ name: "thermo", status: "failed", digest: null });
  expect(second.agent.reported()).toMatchObject({ modules: { thermo: { runtimeStatus: "failed" } } });
});

test("what is no longer trusted does not run at the next boot", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  const first = start();
  await first.agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  await first.agent.stop();
  for (const text of [trustFile(signer("bob")), "not a policy"]) {
    await writeFile(join(dir, "trust.json"), text);
    const { agent, running } = start();
    expect(await agent.boot()).toMatchObject({ code: 500 });
    expect(running()).toEqual([]);
    await agent.stop();
  }
});

test("a folder that cannot be written refuses the deployment before anything is touched", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  const { agent, hub } = start();
  await writeFile(join(dir, "agent"), "in the way");
  expect(await agent.apply(deployment({ thermo: {} }), { baseDir: dir })).toMatchObject({
    code: 500,
    error: { code: "SP_AGENT_STORE" },
  });
  expect(hub.calls).toEqual([]);
});

test("a hub that was re-made gets the routes again, and every running module a new link", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  const { agent, hub, running } = start();
  await agent.apply(deployment({ thermo: {} }, { routes: ROUTES }), { baseDir: dir });
  hub.calls.length = 0;
  await agent.hubRestarted();
  await expect
    .poll(() => hub.calls)
    .toEqual(["setRoutes", "close thermo drain", "open thermo", "ready thermo"]);
  expect(hub.tables[1]).toEqual(hub.tables[0]);
  await expect.poll(running).toEqual(["thermo 1.0.0"]);
});

test("a module's log is read by its name, and only of modules that are there", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  const { agent, sandboxes } = start();
  await agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  sandboxes.running("thermo")!.events.onLog([{ level: "info", text: "hello", at: 0 }]);
  expect((await agent.tailLog("thermo", { lines: 1 }))[0]).toBe("1970-01-01T00:00:00.000Z info  hello");
  await expect(agent.tailLog("pump", { lines: 1 })).rejects.toMatchObject({ code: "SP_MODULE_UNKNOWN" });
  expect(() => agent.followLog("pump", { signal: new AbortController().signal })).toThrow(
    expect.objectContaining({ code: "SP_MODULE_UNKNOWN" }),
  );
  expect(() => agent.restartModule("pump")).toThrow(expect.objectContaining({ code: "SP_MODULE_UNKNOWN" }));
});

test("after a stop nothing runs, the status is 406, and deployments are refused", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  const { agent, sandboxes } = start();
  await agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  await agent.stop();
  expect(sandboxes.running("thermo")).toBeUndefined();
  expect(agent.reported()).toMatchObject({
    lastDesiredStatus: { code: 406 },
    modules: { thermo: { runtimeStatus: "unknown" } },
  });
  await expect(agent.apply({}, { baseDir: dir })).rejects.toMatchObject({ code: "SP_AGENT_STOPPED" });
});

test("a stop while a deployment waits for its health ends the wait and decides nothing", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("thermo");
  const { agent, sandboxes } = start({ health: { healthyForMs: 3_600_000, healthyWithinMs: 3_600_000 } });
  const applied = agent.apply(deployment({ thermo: {} }), { baseDir: dir });
  await expect.poll(() => sandboxes.running("thermo")).toBeDefined();
  await agent.stop();
  expect(await applied).toMatchObject({ code: 406 });
  expect(await readdir(join(dir, "agent"))).toEqual(["deployment.json"]);
});

test("a module may bear any name that the pattern allows", async () => {
  const { dir, build, start, deployment } = await openBench();
  await build("__proto__");
  const { agent, running } = start();
  const json = JSON.parse(
    JSON.stringify(deployment({ NAME: { image: "file:__proto__.wasm" } })).replaceAll("NAME", "__proto__"),
  ) as unknown;
  expect(await agent.apply(json, { baseDir: dir })).toMatchObject({ code: 200 });
  expect(running()).toEqual(["__proto__ 1.0.0"]);
  expect(Object.keys(agent.reported()["modules"] as object)).toEqual(["__proto__"]);
});
