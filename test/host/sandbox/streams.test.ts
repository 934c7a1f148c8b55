import { describe, expect, test, vi } from "vitest";
import { LOG_LINE_BYTES_MAX } from "../../../abi/index.ts";
import { GuestLog, type LogLine } from "../../../host/sandbox/guest-log.ts";
import { LineBuffer } from "../../../host/sandbox/line-buffer.ts";
import { SourceMap } from "../../../host/sandbox/source-map.ts";
import { compileGuest } from "./guests.ts";

describe("the guest log", () => {
  const gather = (linesPerSecond: number) => {
    const posts: (readonly LogLine[])[] = [];
    const clock = { ms: 0 };
    const log = new GuestLog(
      linesPerSecond,
      (lines) => posts.push(lines),
      () => clock.ms,
    );
    const texts = (): string[] => posts.flat().map((line) => line.text);
    return { log, posts, clock, texts };
  };

  test("sends the first lines of a second at once, later ones in batches", () => {
    const { log, posts } = gather(1000);
    for (let i = 0; i < 50; i++) log.write("info", `${i}`);
    expect(posts).toHaveLength(20);
    log.flush();
    expect(posts).toHaveLength(21);
    expect(posts.flat()).toHaveLength(50);
  });

  test("begins anew each second, after it has said what was dropped", () => {
    const { log, clock, texts } = gather(2);
    for (const text of ["a", "b", "c", "d"]) log.write("info", text);
    clock.ms = 1000;
    log.write("info", "e");
    expect(texts()).toEqual(["a", "b", "2 lines dropped: more than 2 a second", "e"]);
  });

  test("says what was dropped even when the guest stays silent", () => {
    vi.useFakeTimers();
    const { log, clock, texts } = gather(1);
    log.write("info", "a");
    log.write("info", "b");
    clock.ms = 1000;
    vi.advanceTimersByTime(1000);
    vi.useRealTimers();
    expect(texts()).toEqual(["a", "1 lines dropped: more than 1 a second"]);
  });
});

describe("a line buffer", () => {
  test("cuts bytes into lines, however they arrive", () => {
    const lines: string[] = [];
    const buffer = new LineBuffer((line) => lines.push(line));
    for (const chunk of ["a", "b\nc", "\n\n", "caf\u00c3", "tail"])
      buffer.write(Buffer.from(chunk, "latin1"));
    buffer.flush();
    expect(lines.slice(0, 3)).toEqual(["ab", "c", ""]);
    expect(lines).toHaveLength(4);
  });

  test("cuts a line that is too long, and stays bounded", () => {
    const lines: string[] = [];
    const buffer = new LineBuffer((line) => lines.push(line));
    buffer.write(Buffer.alloc(LOG_LINE_BYTES_MAX * 2 + 10, "x"));
    buffer.flush();
    expect(lines.map((line) => line.length)).toEqual([LOG_LINE_BYTES_MAX, LOG_LINE_BYTES_MAX, 10]);
  });
});

describe("a source map", () => {
  test("finds the source position of a code offset", () => {
    // Segments: offset 0 -> a.ts 1:1; offset 16 -> a.ts 3:5; offset 20 -> b.ts 2:5.
    const map = new SourceMap(
      JSON.stringify({ version: 3, sources: ["a.ts", "b.ts"], mappings: "AAAA,gBAEI,ICDA" }),
    );
    expect(map.lookup(5)).toEqual({ file: "a.ts", line: 1, column: 1 });
    expect(map.lookup(16)).toEqual({ file: "a.ts", line: 3, column: 5 });
    expect(map.lookup(400)).toEqual({ file: "b.ts", line: 2, column: 5 });
  });

  test.for([
    "",
    "{",
    "null",
    '{"mappings":7}',
    '{"mappings":"!!!!","sources":[]}',
    '{"mappings":"gggggggggg","sources":["a"]}',
    '{"mappings":"AAAA","sources":[{}]}',
  ])("that is broken costs the position and nothing else (%s)", (json) =>
    expect(new SourceMap(json).lookup(1)).toBeNull(),
  );

  test("of a compiled guest is understood", async () => {
    const { sourceMap } = await compileGuest("passes-everything");
    expect(new SourceMap(sourceMap).lookup(1000)).toMatchObject({ file: expect.stringMatching(/\.ts$/) });
  });
});
