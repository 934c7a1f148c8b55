/** The command line of the fuzzer: what is not meant is refused, with what would be. */
import { expect, test } from "vitest";
import { parseCommand } from "./options.ts";

test("without options, a minute with a seed that is drawn", () => {
  const { task, seed, isJson } = parseCommand([]);
  expect({ task, isJson }).toEqual({ task: { kind: "run", seconds: 60 }, isJson: false });
  expect(Number.isSafeInteger(seed)).toBe(true);
});

test("options are taken for what they say", () => {
  expect(parseCommand(["--seconds", "5", "--seed", "7", "--json"])).toEqual({
    task: { kind: "run", seconds: 5 },
    seed: 7,
    isJson: true,
  });
  expect(parseCommand(["--replay", "a.json"]).task).toEqual({ kind: "replay", file: "a.json" });
  expect(parseCommand(["--mutants", "--seed", "3"])).toMatchObject({ task: { kind: "mutants" }, seed: 3 });
});

test.for([
  [["--seconds", "0"], /--seconds "0": expected a whole number from 1/],
  [["--seed", "-1"], /--seed/],
  [["--seed", "1.5"], /--seed "1.5"/],
  [["--replay", "a", "--seconds", "3"], /--seconds: not beside --replay/],
  [["--mutants", "--seconds", "3"], /--seconds: not beside --mutants/],
  [["--loud"], /loud/],
] as const)("%j is refused", ([args, message]) => {
  expect(() => parseCommand(args)).toThrow(message);
});
