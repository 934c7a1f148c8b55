/** Streams: made of a seed, kept in files, made smaller; what is wrong with answers, and with a run that stays shallow. */
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { tempDir } from "../support/temp-dir.ts";
import { answersOf } from "./answers.ts";
import { Figures, shallows } from "./figures.ts";
import { streamOf } from "./generator.ts";
import { smaller } from "./minimize.ts";
import { populationOf } from "./population.ts";
import { readStreams, StreamFileError, writeStreams } from "./stream-file.ts";
import { WIRES, type Stream } from "./stream.ts";

const SEED = 7;
const streams = (seed: number, count: number): Stream[] => {
  const population = populationOf(seed);
  return Array.from({ length: count }, (_, i) => streamOf(seed, i, population));
};

/** As text: a comparison of so many bytes one by one takes a minute. */
const told = (made: readonly Stream[]): string =>
  made
    .map(({ wire, cut, farewell, pieces }) => {
      const parts = pieces.map(({ bytes, asks }) => `${bytes.toString("hex")} ${asks}`);
      return [wire, cut, farewell, ...parts].join("\n");
    })
    .join("\n\n");

test("a seed gives the same streams again, and another one others", () => {
  const first = told(streams(SEED, 40));
  expect(told(streams(SEED, 40)) === first).toBe(true);
  expect(told(streams(SEED + 1, 40)) === first).toBe(false);
});

test("streams are of every wire, and most of their pieces are as they were made", () => {
  const made = streams(SEED, 300);
  expect(new Set(made.map(({ wire }) => wire))).toEqual(new Set(WIRES));
  const pieces = made.flatMap((stream) => stream.pieces);
  const mutated = pieces.filter(({ isMutated }) => isMutated === true);
  expect(mutated.length).toBeGreaterThan(100);
  expect(mutated.length).toBeLessThan(pieces.length / 2);
});

test("a stream that was kept is sent as it was", async () => {
  const file = join(await tempDir(), "streams.json");
  const kept = { seed: SEED, breaches: ["the hub's thread has ended"], streams: streams(SEED, 20) };
  writeStreams(file, kept);
  const read = readStreams(file);
  expect(told(read.streams) === told(kept.streams)).toBe(true);
  expect({ ...read, streams: [] }).toEqual({ ...kept, streams: [] });
});

test("a file that holds no streams is refused", async () => {
  const file = join(await tempDir(), "streams.json");
  expect(() => readStreams(file)).toThrow(StreamFileError);
  for (const text of ["", "{}", '{"seed":1,"streams":[{"wire":"pigeon"}]}']) {
    writeFileSync(file, text);
    expect(() => readStreams(file), text).toThrow(StreamFileError);
  }
});

test("what is not needed for a failure is left out", async () => {
  const stream = streams(SEED, 200).find(({ pieces }) => pieces.length > 6)!;
  const culprit = stream.pieces[3]!;
  const fails = (candidate: Stream): Promise<boolean> =>
    Promise.resolve(candidate.pieces.some(({ bytes }) => bytes[0] === culprit.bytes[0] && bytes.length >= 2));
  const { pieces, cut } = await smaller(stream, fails);
  expect(pieces).toHaveLength(1);
  expect(pieces[0]!.bytes.length).toBeLessThan(4);
  expect(cut).toBe("pieces");
});

describe("an answer", () => {
  test.for([
    ["mqtt", "2002000040020001", null],
    ["mqtt", "ff", "MQTT"],
    ["mqtt", "101000044d5154540402003c000464657631", "a server sent connect"],
    ["amqp", "414d515000010000" + "0000000802000000", null],
    ["amqp", "00000007", null],
    ["amqp", "0000000702000000", "a frame of 7 bytes"],
    ["amqp", "0000000b02000000005310", "AMQP"],
  ] as const)("of %s, %s: %s", ([wire, hex, fault]) => {
    const answers = answersOf(wire);
    answers.push(Buffer.from(hex, "hex"));
    if (fault === null) expect(answers.fault).toBeNull();
    else expect(answers.fault).toContain(fault);
  });

  test("over HTTP is read over its whole length, and a failure of the hub is a fault", () => {
    const answers = answersOf("http");
    answers.push(Buffer.from("HTTP/1.1 404 Not Found\r\ncontent-length: 12\r\n\r\n0123"));
    answers.push(Buffer.from("4567890\nHTTP/1.1 413 x\r\ncontent-length: 0\r\n\r\n"));
    expect(answers.fault).toBeNull();
    answers.push(Buffer.from("HTTP/1.1 500 Internal Server Error\r\n\r\n"));
    expect(answers.fault).toContain("500");
  });
});

test("a run whose streams are turned away at the door is shallow, and says where", () => {
  const figures = new Figures();
  const [stream] = streams(SEED, 200).filter(({ wire }) => wire === "mqtt");
  const heard = { sent: stream!.pieces, isCut: true };
  for (let i = 0; i < 100; i++) figures.add(stream!, { ...heard, seen: new Set(["let in"] as const) });
  expect(shallows(figures).join()).toMatch(/^shallow: 0\.0 % of mqtt streams got to "accepted", expected/);
  for (let i = 0; i < 100; i++)
    figures.add(stream!, {
      ...heard,
      seen: new Set(["let in", "accepted", "subscribed", "delivered"] as const),
    });
  expect(shallows(figures)).toEqual([]);
});
