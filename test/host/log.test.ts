import { expect, test } from "vitest";
import { createLineLog, type LogLevel } from "../../host/log.ts";

function capture(level: LogLevel) {
  const lines: string[] = [];
  return { lines, log: createLineLog((line) => void lines.push(line), { level, clock: () => 0 }) };
}

test("a line has its time, its level, what happened and the fields", () => {
  const { lines, log } = capture("info");
  log.info({ port: 1883, host: "gw.example", missing: undefined }, "listening");
  expect(lines).toEqual(["1970-01-01T00:00:00.000Z info  listening port=1883 host=gw.example"]);
});

test("what a stranger sent cannot begin a line of its own", () => {
  const { lines, log } = capture("info");
  log.warn({ client: "a\n1970-01-01T00:00:00.000Z error all is lost" }, "refused");
  expect(lines[0]).not.toContain("\n");
  expect(lines[0]).toContain('client="a\\n1970');
});

test("an error is shown by its message", () => {
  const { lines, log } = capture("info");
  log.error({ err: new Error("disk: full") }, "write failed");
  expect(lines[0]).toContain('write failed err="disk: full"');
});

test("below the level nothing is written", () => {
  const { lines, log } = capture("warn");
  log.debug({}, "a");
  log.info({}, "b");
  log.warn({}, "c");
  expect(lines).toHaveLength(1);
});
