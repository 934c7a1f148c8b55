/** What an operator sees of queues and dead letters, and does to them, against a small gateway. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { SandpiperError } from "../../../abi/index.ts";
import type { DeadLetter, QueueStatus } from "../../../hub/index.ts";
import { createFakeBackend, textEvent, type FakeBackend } from "../../host/management/fake-backend.ts";
import { NO_FLASH } from "../../host/fake-parts.ts";
import { formatStatus } from "../../../toolchain/operate/status.ts";
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

const run = (...argv: string[]) => runCommand(argv, { SANDPIPER_DIR: dir });

const LETTER: DeadLetter = {
  offset: 3,
  endpoint: "filter/input",
  reason: "fault",
  fault: { kind: "abort", message: "not json", stack: "at onInput (filter.ts:7:3)" },
  text: null,
  digest: "ab12",
  priority: 5,
  attempt: 1,
  diedAt: "2026-01-01T00:00:00.000Z",
  message: textEvent(1, "\u0007boom"),
};

const QUEUE: QueueStatus = {
  endpoint: "a-module-with-a-long-name/an-input-with-a-long-name",
  kind: "input",
  priority: 10,
  length: 1_234_567,
  bytes: 255 * 1024 * 1024,
  bytesMax: 256 * 1024 * 1024,
  oldestAgeMs: 59 * 60_000,
  inFlight: 1024,
  inPerSecond: 12_345.6,
  outPerSecond: 0.04,
  overflow: "refuse",
  expired: 123_456,
  dropped: 0,
  consumer: "module",
};

test("queue list is a table that says how much of its quota a queue holds, and how fast it moves", async () => {
  expect((await run("queue", "list")).out.split("\n")).toEqual([
    "ENDPOINT   PRI  WAITS  SIZE   OF      OLDEST  OUT  IN/S  OUT/S  EXP  DROP  FULL  FOR",
    "$upstream    0      0  100 B  256 MB  -         0  0.3   0        0     2  drop  log",
  ]);
});

test("queue list fits a terminal whatever the numbers are, and keeps both ends of a name", async () => {
  backend.hub.queues = async () => [QUEUE];
  const lines = (await run("queue", "list")).out.split("\n");
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
  expect(lines[1]).toMatch(/^a-mod\S*\.\.\S*name /);
  expect(lines[1]).toContain("<0.1");
});

test("queue list leaves dead letters out until it is asked for all", async () => {
  const letters = {
    ...QUEUE,
    kind: "deadLetters" as const,
    endpoint: "$dlq/filter/input",
    consumer: "log" as const,
  };
  backend.hub.queues = async () => [QUEUE, letters];
  expect(JSON.parse((await run("queue", "list", "--json")).out)).toEqual([QUEUE]);
  expect(JSON.parse((await run("queue", "list", "--all", "--json")).out)).toEqual([QUEUE, letters]);
});

test("dlq list shows what killed a message, the message, and the stack, and where to read on", async () => {
  const asked: unknown[] = [];
  backend.hub.deadLetters = async (query) => {
    asked.push(query);
    return { letters: [LETTER], next: { endpoint: "filter/input", offset: 4 } };
  };
  const { out, err } = await run("dlq", "list");
  expect(out.split("\n")).toEqual([
    "2026-01-01T00:00:00.000Z filter/input #3 fault, abort: not json",
    "  2023-11-14T22:13:20.001Z gw/filter alerts level=high \\u{7}boom",
    "    at onInput (filter.ts:7:3)",
  ]);
  expect(err).toBe("there may be more: --from 'filter/input#4'");
  await run("dlq", "list", "--from", "filter/input#4", "--limit", "7");
  await run("dlq", "list", "--from", "9", "--endpoint", "filter/input");
  const from = (offset: number) => ({ endpoint: "filter/input", offset });
  expect(asked).toMatchObject([
    { limit: 100 },
    { limit: 7, from: from(4) },
    { limit: 100, from: from(9), endpoint: "filter/input" },
  ]);
});

test("dlq show prints all there is of a letter, and of its body no more than is asked for", async () => {
  backend.hub.deadLetter = async ({ offset }) => ({ ...LETTER, offset });
  const { out } = await run("dlq", "show", "filter/input", "3", "--body", "8");
  expect(out.split("\n")).toEqual([
    "letter    filter/input #3",
    "died      2026-01-01T00:00:00.000Z",
    "reason    fault",
    "fault     abort: not json",
    "module    ab12",
    "attempts  2",
    "priority  5",
    "source    gw/filter alerts",
    "enqueued  2023-11-14T22:13:20.001Z",
    `uid       ${"0".repeat(32)}`,
    "property  level=high",
    "stack     at onInput (filter.ts:7:3)",
    "body      \\u{7}boo...",
  ]);
  const letter = JSON.parse((await run("dlq", "show", "filter/input", "3", "--json")).out);
  expect(letter).toMatchObject({ offset: 3, attempt: 1, message: { body: "\u0007boom" } });
});

test("a letter or an endpoint that is not there is named, with what there is", async () => {
  backend.hub.deadLetter = async () => {
    const hint = "there are: $upstream, filter/input";
    throw new SandpiperError("SP_ENDPOINT_UNKNOWN", 'endpoint "filtre/input": there is none', { hint });
  };
  expect(await run("dlq", "show", "filtre/input", "3")).toEqual({
    code: 1,
    out: "",
    err: 'error: endpoint "filtre/input": there is none\nhint: there are: $upstream, filter/input',
  });
});

test("dlq replay says how many went, how many stay and why, and fails when any stays", async () => {
  const asked: unknown[] = [];
  backend.hub.replayDeadLetters = async (which) => {
    asked.push(which);
    if (which.offset !== undefined) return { replayed: 1, refused: 0, refusals: {} };
    return { replayed: 4, refused: 3, refusals: { queue_full: 2, no_route: 1 } };
  };
  expect(await run("dlq", "replay", "filter/input", "3")).toEqual({ code: 0, out: "replayed 1", err: "" });
  expect(await run("dlq", "replay", "filter/input", "--all")).toEqual({
    code: 1,
    out: "replayed 4",
    err: "left where they are 3 (2: its queue is full; 1: no route leads to its queue any more)",
  });
  expect(asked).toEqual([{ endpoint: "filter/input", offset: 3 }, { endpoint: "filter/input" }]);
});

test("dlq purge deletes nothing that nobody has said yes to", async () => {
  const asked: unknown[] = [];
  backend.hub.purgeDeadLetters = async (which) => {
    asked.push(which);
    return { purged: 2 };
  };
  expect(await run("dlq", "purge", "filter/input", "--all")).toMatchObject({ code: 2, out: "" });
  const questions: string[] = [];
  const answering = (answer: string) => (question: string) => {
    questions.push(question);
    return Promise.resolve(answer);
  };
  const purge = (answer: string) =>
    runCommand(["dlq", "purge", "filter/input", "--all"], { SANDPIPER_DIR: dir }, answering(answer));
  expect(await purge("")).toMatchObject({ code: 1, err: "nothing deleted" });
  expect(asked).toEqual([]);
  expect(await purge("y")).toEqual({ code: 0, out: "deleted 2", err: "" });
  expect(questions[0]).toBe('delete all dead letters of "filter/input" for good? [y/N] ');
  expect(await run("dlq", "purge", "filter/input", "3", "--yes")).toMatchObject({ code: 0 });
  expect(asked).toEqual([{ endpoint: "filter/input" }, { endpoint: "filter/input", offset: 3 }]);
});

test("tap prints what comes until it has seen enough, says what it left out, and closes the tap", async () => {
  let reads = 0;
  backend.hub.openTap = async ({ endpoint, perSecond }) => {
    expect({ endpoint, perSecond }).toEqual({ endpoint: "$upstream", perSecond: 2 });
    return { tap: 7 };
  };
  backend.hub.readTap = async () => ({
    events: [textEvent(reads++, "x"), textEvent(reads++, "y")],
    skipped: 5,
  });
  const { code, out, err } = await run("tap", "$upstream", "--rate", "2", "--count", "3");
  expect(code).toBe(0);
  expect(out.split("\n").map((line) => line.at(-1))).toEqual(["x", "y", "x"]);
  expect(err.split("\n")).toEqual(["5 more came, which are not shown", "5 more came, which are not shown"]);
  await expect.poll(() => backend.tapsClosed).toEqual([7]);
});

test("compact says what it brought", async () => {
  expect((await run("compact")).out).toBe("store 2.0 KB, now 1.0 KB, in 12 ms");
  expect(JSON.parse((await run("compact", "--json")).out)).toMatchObject({ afterBytes: 1024 });
});

test("status says what the flash has to take, a second, a message and a day", () => {
  const use = { seconds: 60, bytes: 6e6, messages: 10_000, bytesPerSecond: 1e5, bytesPerMessage: 600 };
  const lastMinute = { ...use, bytesPerDay: 8.64e9 };
  const flash = { ...NO_FLASH, lastMinute };
  const hub = { state: "ok" as const, connections: 0, counters: {}, flash, troubles: [] };
  const gateway = { gatewayId: "gw", hostname: "gw", version: "0", pid: 1, hubRestarts: 0, hubFailure: null };
  const rest = { state: "running" as const, listeners: [], deployment: null, certificate: null };
  const stores = { storesSetAside: [], storeRestored: null, managementUrl: null };
  const text = formatStatus({ ...gateway, ...rest, ...stores, startedAt: new Date(0).toISOString(), hub }, 0);
  expect(text).toContain("flash     98 KB a second, 600 B a message, 8.0 GB a day over the last minute");
});
