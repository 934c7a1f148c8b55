/** The command line of the chaos runs: what is not meant is refused, with what would be. */
import { describe, expect, test } from "vitest";
import { parseCommand } from "./options.ts";

test("without options, fifteen rounds on the default store", () => {
  const { task, backend, isJson, seed } = parseCommand([]);
  expect({ task, backend, isJson }).toEqual({
    task: { kind: "rounds", rounds: 15 },
    backend: "redo",
    isJson: false,
  });
  expect(Number.isSafeInteger(seed)).toBe(true);
});

test("options are taken for what they say", () => {
  expect(parseCommand(["--rounds", "500", "--seed", "7", "--backend", "lmdb", "--json"])).toEqual({
    task: { kind: "rounds", rounds: 500 },
    backend: "lmdb",
    seed: 7,
    isJson: true,
  });
  expect(parseCommand(["--scenario", "slow-consumer", "--minutes", "0.5"]).task).toEqual({
    kind: "scenario",
    name: "slow-consumer",
    durationMs: 30_000,
  });
  expect(parseCommand(["--mutants"]).task).toEqual({ kind: "mutants" });
});

describe("refused, with what is allowed:", () => {
  test.for([
    [["--backend", "none"], /--backend "none": expected one of redo, lmdb/],
    [["--rounds", "0"], /--rounds "0": expected a whole number from 1 /],
    [["--rounds", "1e3"], /--rounds "1e3": expected a whole number/],
    [["--seed", "-1"], /--seed/],
    [["--seed", "x"], /--seed "x": expected a whole number from 0 /],
    [["--scenario", "toString"], /--scenario "toString": expected one of clock-jump, /],
    [["--scenario", "io-error", "--minutes", "0"], /--minutes "0": expected a number above 0/],
    [["--scenario", "io-error", "--rounds", "3"], /--rounds: not beside --scenario/],
    [["--minutes", "3"], /--minutes: not without --scenario/],
    [["--mutants", "--backend", "lmdb"], /--backend: not beside --mutants/],
    [["--round", "3"], /--round/],
    [["500"], /500/],
  ] as const)("%j", ([args, message]) => {
    expect(() => parseCommand(args)).toThrow(message);
  });
});
