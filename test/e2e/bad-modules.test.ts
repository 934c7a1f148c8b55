/** Modules that misbehave on a message, or from the start: contained, named by their source, undone. */
import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { DeadLetterView, DeploymentStatus, ModuleView } from "../../host/index.ts";
import { buildInto, CRANK, events, lineOf, manifest, startCrank, STILLBORN, writeManifest } from "./crank.ts";
import type { RunGateway } from "./run-gateway.ts";

let gateway: RunGateway;
let device: MqttClient;

beforeAll(async () => {
  gateway = await startCrank("gw");
  await gateway.does("device", "add", "driver");
  device = await gateway.connect("driver");
});
afterAll(async () => {
  await device?.endAsync(true);
  await gateway?.[Symbol.asyncDispose]();
});

const order = (...bodies: string[]): Promise<unknown> =>
  Promise.all(bodies.map((body) => device.publishAsync("devices/driver/messages/events/", body, { qos: 1 })));

interface Letter extends Omit<DeadLetterView, "message"> {
  readonly message: { readonly body: string };
}
const deadLetters = () => gateway.lines<Letter>("dlq", "list");
const crank = async () => (await gateway.json<ModuleView[]>("list"))[0]!;
const arrived = async () => (await events(gateway)).map(({ body }) => body);

/** Orders that went well so far, in their order. */
const done: string[] = [];

test("a message on which a module loops for ever is ended at its deadline; what follows is processed", async () => {
  const before = await crank();
  await order("a", "loop", "b", "c");
  done.push("a", "b", "c");
  await expect.poll(arrived, { timeout: 10_000 }).toEqual(done);
  const [letter, ...others] = await deadLetters();
  expect(others).toEqual([]);
  expect(letter).toMatchObject({
    endpoint: "crank/in",
    reason: "fault",
    fault: { kind: "deadline" },
    message: { body: "loop" },
  });
  expect(await crank()).toMatchObject({ status: "running", restarts: 0, digest: before.digest });
});

test("a message on which a module traps is put aside with a stack that names the line", async () => {
  await order("d", "trap", "e");
  done.push("d", "e");
  await expect.poll(arrived).toEqual(done);
  const letters = await deadLetters();
  expect(letters.map(({ message }) => message.body)).toEqual(["loop", "trap"]);
  const said = await gateway.does("dlq", "list", "--endpoint", "crank/in", "--from", `${letters[1]!.offset}`);
  expect(said).toContain("told to");
  expect(said).toContain(`assembly/index.ts:${lineOf(CRANK, "throw new Error")}`);
  expect(said).toContain(`assembly/index.ts:${lineOf(CRANK, "onOrder(order, message.body)")}`);
  expect(await crank()).toMatchObject({ status: "running", restarts: 0 });
});

test("poison among many leaves the others and their order alone", async () => {
  const orders = Array.from({ length: 60 }, (_, n) => (n % 20 === 7 ? "trap" : `many ${n}`));
  await order(...orders);
  done.push(...orders.filter((body) => body !== "trap"));
  await expect.poll(arrived, { timeout: 10_000 }).toEqual(done);
  expect((await deadLetters()).map(({ message }) => message.body)).toEqual([
    "loop",
    "trap",
    "trap",
    "trap",
    "trap",
  ]);
  expect((await crank()).restarts).toBe(0);
});

test("a module that traps when it starts is tried again with pauses, then undone, and nothing is lost", async () => {
  const good = await crank();
  await buildInto(gateway, "stillborn", STILLBORN);
  await gateway.does("sign", "--key", "release.key", "stillborn.wasm");
  const file = await writeManifest(gateway, manifest({ image: "file:stillborn.wasm" }));
  const applying = gateway.run("apply", file);

  await expect
    .poll(() => gateway.does("list"), { timeout: 10_000 })
    .toMatch(/^crank +backoff .*born under a bad sign/m);
  await order("meanwhile");
  done.push("meanwhile");

  const { code, err } = await applying;
  expect(code).toBe(1);
  expect(err).toMatch(/^not applied: 500 rolled back to deployment 1: .*crank/);
  expect(err).toContain("born under a bad sign");
  expect(err).toContain("deployment 1 runs again");
  expect(err).not.toContain("what ran before still runs");
  await expect.poll(arrived, { timeout: 10_000 }).toEqual(done);
  expect(await crank()).toMatchObject({ status: "running", restarts: 0, digest: good.digest });

  const { lastDesiredStatus } = (await gateway.management.deployment()) as {
    lastDesiredStatus: DeploymentStatus;
  };
  expect(lastDesiredStatus).toMatchObject({
    code: 500,
    description: expect.stringContaining("rolled back to deployment 1"),
  });
  expect(await gateway.does("status")).toContain(
    "deployed  not deployment 2: 500 rolled back to deployment 1",
  );
  expect(await gateway.does("logs", "crank")).toContain(
    `assembly/index.ts:${lineOf(STILLBORN, "throw new Error")}`,
  );
});
