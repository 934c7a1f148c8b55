/**
 * Mutated streams against a hub in a process of its own, for a moment; and the fuzzer judged: a hub with one guard left
 * out is caught. One that is caught soon is tried here, all of them by `npm run fuzz -- --mutants`.
 */
import { expect, test } from "vitest";
import { seeded } from "../support/seed.ts";
import { figuresLine } from "./figures.ts";
import { runFuzz } from "./fuzz.ts";
import { MUTANTS, tryMutant } from "./mutants.ts";

const SECONDS = 3;
const STREAMS_MIN = 80;
const QUICK_MUTANT = "believes that the link of a transfer is there";

test("a hub that is lied to stays up, within its memory, and serves those who do not lie [J6]", async () => {
  const { seed } = seeded("fuzz");
  const result = await runFuzz({ seed: Math.abs(seed), seconds: SECONDS, streamsMin: STREAMS_MIN });
  console.info(figuresLine(result));
  expect(result.breaches).toEqual([]);
  const { mqtt, amqp } = result.figures.wires;
  expect(mqtt.depths["let in"], "streams get past CONNECT").toBeGreaterThan(3);
  expect(amqp.depths.attached, "and past ATTACH").toBeGreaterThan(3);
  expect(mqtt.depths.accepted + amqp.depths.accepted, "and publish").toBeGreaterThan(3);
  expect(result.figures.mutatedPieces).toBeGreaterThan(20);
  for (const { served } of result.canaries) expect(served).toBeGreaterThan(10);
}, 60_000);

test("a hub that leaves a guard out is caught", async () => {
  const mutant = MUTANTS.find(({ name }) => name === QUICK_MUTANT)!;
  const { isCaught, story } = await tryMutant(mutant, Math.abs(seeded("mutant").seed));
  expect(isCaught, story).toBe(true);
}, 120_000);
