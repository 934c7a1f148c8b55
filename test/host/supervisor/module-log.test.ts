import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createModuleLogs, type ModuleLogs } from "../../../host/supervisor/module-log.ts";
import type { LogFileSettings } from "../../../host/supervisor/log-file.ts";
import { handClock, settle } from "../../support/hand-clock.ts";
import { keptLog } from "../../support/kept-log.ts";
import { tempDir } from "../../support/temp-dir.ts";

async function openLogs(settings: Partial<LogFileSettings> = {}) {
  const dir = await tempDir();
  const log = keptLog();
  const logs: ModuleLogs = createModuleLogs({ dir, log, clock: handClock(), settings });
  onTestFinished(() => logs.close());
  return { dir, log, logs };
}
const texts = (lines: readonly string[]): string[] => lines.map((line) => line.replace(/^\S+ \w+ +/, ""));

test("a line holds time, level and text, and is readable by its owner only", async () => {
  const { dir, logs } = await openLogs();
  logs.write("thermo", "info", "hello");
  logs.write("thermo", "error", "no sensor");
  await logs.flush();
  expect(await readFile(join(dir, "thermo.log"), "utf8")).toBe(
    "2026-01-01T00:00:00.000Z info  hello\n2026-01-01T00:00:00.000Z error no sensor\n",
  );
  expect((await stat(join(dir, "thermo.log"))).mode & 0o777).toBe(0o600);
});

test("what could break a line or steer a terminal is escaped", async () => {
  const { logs } = await openLogs();
  logs.write("m", "info", "a\nb\r\u001b[2Jc\u0000\u009b\u2028\u202ed é 日");
  expect(texts(await logs.tailLog("m", { lines: 1 }))).toEqual([
    "a\\nb\\r\\u{1b}[2Jc\\u{0}\\u{9b}\\u{2028}\\u{202e}d é 日",
  ]);
});

test("a long line is cut", async () => {
  const { logs } = await openLogs();
  logs.write("m", "info", "x".repeat(100_000));
  expect((await logs.tailLog("m", { lines: 1 }))[0]!.length).toBeLessThan(4200);
});

test("files are rotated and bounded in number, and a tail reads across them", async () => {
  const { dir, logs } = await openLogs({ fileBytesMax: 1_000, filesMax: 3 });
  for (let i = 0; i < 200; i++) {
    logs.write("m", "info", `line ${i}`);
    if (i % 5 === 0) await logs.flush();
  }
  await logs.flush();
  expect(await readdir(dir)).toEqual(["m.log", "m.log.1", "m.log.2"]);
  for (const name of await readdir(dir)) {
    expect((await stat(join(dir, name))).size).toBeLessThanOrEqual(1_000);
  }
  expect(texts(await logs.tailLog("m", { lines: 40 }))).toEqual(
    Array.from({ length: 40 }, (_, i) => `line ${160 + i}`),
  );
});

test("a tail holds what was written a moment ago, and is empty for a module that said nothing", async () => {
  const { logs } = await openLogs();
  logs.write("m", "info", "one");
  logs.write("m", "info", "two");
  expect(texts(await logs.tailLog("m", { lines: 10 }))).toEqual(["one", "two"]);
  expect(texts(await logs.tailLog("m", { lines: 1 }))).toEqual(["two"]);
  expect(await logs.tailLog("m", { lines: 0 })).toEqual([]);
  expect(await logs.tailLog("other", { lines: 10 })).toEqual([]);
});

test("a log goes on where it was left", async () => {
  const { dir, logs } = await openLogs();
  await writeFile(join(dir, "m.log"), "2025-12-31T00:00:00.000Z info  before\n");
  logs.write("m", "info", "after");
  expect(texts(await logs.tailLog("m", { lines: 10 }))).toEqual(["before", "after"]);
});

test("a follower gets the tail and every further line once, in order", async () => {
  const { logs } = await openLogs();
  for (let i = 0; i < 50; i++) logs.write("m", "info", `${i}`);
  await logs.flush();
  for (let i = 50; i < 60; i++) logs.write("m", "info", `${i}`);
  const stop = new AbortController();
  const got: string[] = [];
  let last = 60;
  const reading = (async () => {
    for await (const line of logs.followLog("m", { lines: 15, signal: stop.signal })) got.push(line);
  })();
  for (; got.length < 100; last++) {
    logs.write("m", "info", `${last}`);
    await settle(1);
  }
  stop.abort();
  await reading;
  const first = Number(texts(got)[0]);
  expect(texts(got)).toEqual(Array.from({ length: last - first }, (_, i) => String(first + i)));
});

test("following ends when its signal aborts, while nothing is written", async () => {
  const { logs } = await openLogs();
  const stop = new AbortController();
  const reading = (async () => {
    const got: string[] = [];
    for await (const line of logs.followLog("m", { signal: stop.signal })) got.push(line);
    return got;
  })();
  await settle();
  stop.abort();
  expect(await reading).toEqual([]);
});

test("a slow follower loses the oldest lines and is told how many", async () => {
  const { logs } = await openLogs({ followLinesMax: 10 });
  const stop = new AbortController();
  logs.write("m", "info", "first");
  const lines = logs.followLog("m", { lines: 1, signal: stop.signal });
  expect(texts([(await lines.next()).value as string])).toEqual(["first"]);
  for (let i = 0; i < 30; i++) logs.write("m", "info", `${i}`);
  stop.abort();
  const got: string[] = [];
  for await (const line of lines) got.push(line);
  expect(got[0]).toBe("... 20 lines skipped: they came faster than they were read");
  expect(texts(got.slice(1))).toEqual(Array.from({ length: 10 }, (_, i) => `${20 + i}`));
});

test("lines that come faster than the disk takes them are dropped and counted", async () => {
  const { logs } = await openLogs({ pendingBytesMax: 1_000 });
  for (let i = 0; i < 100; i++) logs.write("m", "info", `${i}`);
  await logs.flush();
  const lines = await logs.tailLog("m", { lines: 1_000 });
  expect(lines.length).toBeLessThan(40);
  expect(lines.at(-1)).toMatch(/^\.\.\. \d+ lines dropped/);
});

test("a log that cannot be written is reported once and hurts nobody", async () => {
  const { dir, log, logs } = await openLogs();
  await mkdir(join(dir, "m.log"));
  for (let i = 0; i < 3; i++) {
    logs.write("m", "info", "x");
    await logs.flush();
  }
  expect(log.kept.map((entry) => entry.message)).toEqual(["module log cannot be written"]);
});

test("removing a module's log deletes its files and ends its followers", async () => {
  const { dir, logs } = await openLogs();
  logs.write("m", "info", "x");
  const lines = logs.followLog("m", { lines: 1, signal: new AbortController().signal });
  await lines.next();
  await logs.remove("m");
  expect((await lines.next()).done).toBe(true);
  expect(await readdir(dir)).toEqual([]);
});

test.for(["../escape", "a/b", "", ".", "x".repeat(200), "a\u0000"])("%j is no module name", async (name) => {
  const { logs } = await openLogs();
  await expect(logs.tailLog(name, { lines: 1 })).rejects.toMatchObject({ code: "SP_MODULE_UNKNOWN" });
});
