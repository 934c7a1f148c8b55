/** Messages to devices from the command line, through the management API, to a hub that is one. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFakeBackend } from "../../host/management/fake-backend.ts";
import { startHub, type TestHub } from "../../support/hub.ts";
import { runCommand } from "./run-command.ts";
import { startSmallGateway, type SmallGateway } from "./small-gateway.ts";

let dir: string;
let hub: TestHub;
let gateway: SmallGateway;

beforeAll(async () => {
  hub = await startHub();
  gateway = await startSmallGateway({ ...createFakeBackend(), hub: hub.hub });
  dir = gateway.dir;
  await hub.identity("thermo1");
  await hub.identity("gw", "reader");
});
afterAll(async () => {
  await gateway.stop();
  await hub[Symbol.asyncDispose]();
});

const run = (...argv: string[]) => runCommand(["c2d", ...argv], { SANDPIPER_DIR: dir });

test("c2d send, list, purge and feedback say what waits, and what became of it", async () => {
  const properties = JSON.stringify({ zone: "7" });
  const options = ["--message-id", "m1", "--ack", "full", "--ttl", "600", "--properties", properties];
  const sent = await run("send", "thermo1", "open\u0007", ...options);
  expect(sent).toEqual({ code: 0, out: "sent m1; 1 waiting for thermo1", err: "" });
  await writeFile(join(dir, "body"), Buffer.from([0, 255]));
  const second = await run("send", "thermo1", "--file", join(dir, "body"), "--json");
  expect(JSON.parse(second.out)).toMatchObject({ waiting: 2, messageId: expect.any(String) as string });

  const [head, first, last] = (await run("list", "thermo1")).out.split("\n");
  expect(head!.trim().split(/ +/)).toEqual(["MESSAGE", "SENT", "LEFT", "TRIES", "ACK", "SIZE", "BODY"]);
  expect(first).toMatch(/^m1 .* 0 +full +5 B +open\\u\{7\}$/);
  expect(last).toMatch(/ none +2 B +\(2 bytes\) 00ff$/);
  const listed = JSON.parse((await run("list", "thermo1", "--json")).out) as object[];
  expect(listed[0]).toMatchObject({ messageId: "m1", message: { properties: { zone: "7" } } });

  expect(await run("purge", "thermo1", "--yes")).toMatchObject({ code: 0, out: "deleted 2" });
  expect((await run("list", "thermo1")).out).toBe("nothing waits for thermo1");
  const told = await run("feedback");
  expect(told.out).toMatch(/^\S+Z thermo1 m1 Purged: an operator purged it$/);
  const asJson = JSON.parse((await run("feedback", "--from", "0", "--json")).out) as object;
  expect(asJson).toMatchObject({ offset: 0, originalMessageId: "m1", statusCode: "Purged" });
});

test.for<readonly [string, string, ...string[]]>([
  ["an unknown device", "SP_IDENTITY_UNKNOWN", "send", "nobody", "x"],
  ["a module", "SP_C2D_MODULE", "send", "gw/reader", "x"],
  ["the queue of an unknown device", "SP_IDENTITY_UNKNOWN", "list", "nobody"],
  ["an expiry that is over", "SP_C2D_MESSAGE", "send", "thermo1", "x", "--expiry", "2020-01-01T00:00:00Z"],
  ["an expiry that is no time", "SP_C2D_MESSAGE", "send", "thermo1", "x", "--expiry", "tomorrow"],
  ["properties that are no texts", "SP_C2D_MESSAGE", "send", "thermo1", "x", "--properties", '{"a":1}'],
  ["a reserved property", "SP_C2D_MESSAGE", "send", "thermo1", "x", "--properties", '{"$.mid":"a"}'],
  ["more than 64 KB", "SP_C2D_MESSAGE", "send", "thermo1", "x".repeat(65_530)],
])("%s is refused by its code, and nothing is sent", async ([, code, ...argv]) => {
  const { code: exit, err } = await run(...argv, "--json");
  expect([exit, (JSON.parse(err) as { error: { code: string } }).error.code]).toEqual([1, code]);
  expect(await hub.hub.devicebound("thermo1")).toEqual([]);
});

test.for<readonly [string, ...string[]]>([
  ["no device", "send"],
  ["no message", "send", "thermo1"],
  ["a text and a file", "send", "thermo1", "x", "--file", "y"],
  ["one too many", "send", "thermo1", "x", "y"],
  ["two ends of time", "send", "thermo1", "x", "--ttl", "60", "--expiry", "2030-01-01T00:00:00Z"],
  ["a time to live that is too short", "send", "thermo1", "x", "--ttl", "59"],
  ["an ack that is none", "send", "thermo1", "x", "--ack", "all"],
  ["a purge that nobody confirms", "purge", "thermo1"],
  ["two beginnings", "feedback", "--from", "1", "--tail", "2"],
])("%s is a mistake on the command line", async ([, ...argv]) => {
  expect((await run(...argv)).code).toBe(2);
});

test.for([
  ["c2d", "list", "thermo1"],
  ["c2d", "feedback"],
  ["module-identity", "env", "reader"],
  ["device", "list"],
])("%s %s asks over the management port as well", async (command) => {
  expect(await runCommand(command, gateway.portEnv)).toMatchObject({ code: 0, err: "" });
});
