/**
 * `npm run chaos`: kills gateways, and judges what they do. Progress goes to stderr, the line of figures to stdout.
 *
 * Exit code 0: nothing was lost, doubled or otherwise breached; 1: something was; 2: usage.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { STORE_DEFAULTS, type StoreConfig } from "../../hub/face.ts";
import { mulberry32 } from "../support/seed.ts";
import { runChaos } from "./chaos.ts";
import { figuresLine, isClean, type Figures } from "./figures.ts";
import { SCENARIOS } from "./scenarios/index.ts";

const USAGE = `usage: npm run chaos -- [options]

  --rounds N       lives that end by SIGKILL (15)
  --seed S         to have the same draws again (random)
  --backend NAME   of the store (the default one)
  --json           the figures as JSON
  --scenario NAME  instead: ${Object.keys(SCENARIOS).join(", ")}
  --minutes M      how long a scenario goes on (1)
`;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

class UsageError extends Error {}

const OPTIONS = {
  rounds: { type: "string", default: "15" },
  seed: { type: "string" },
  backend: { type: "string", default: STORE_DEFAULTS.backend },
  json: { type: "boolean", default: false },
  scenario: { type: "string" },
  minutes: { type: "string", default: "1" },
} as const;

function parse() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function whole(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0)
    throw new UsageError(`--${name} "${text}": not a whole number`);
  return number;
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function scenario(name: string, durationMs: number, seed: number, store: Partial<StoreConfig>) {
  const run = SCENARIOS[name];
  if (run === undefined) {
    throw new UsageError(`--scenario "${name}": expected one of ${Object.keys(SCENARIOS).join(", ")}`);
  }
  const folder = mkdtempSync(join(tmpdir(), "sandpiper-scenario-"));
  const random = mulberry32(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const { breaches, line } = await run({ folder, durationMs, below, store });
  for (const breach of breaches) say(breach);
  if (breaches.length > 0) say(`seed ${seed}, store ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
  process.stdout.write(`${name} on ${store.backend}: ${line}, seed ${seed}\n`);
  return breaches.length === 0 ? 0 : EXIT_FAILED;
}

async function main(): Promise<number> {
  const { rounds, seed: seedText, backend, json, scenario: name, minutes } = parse();
  const seed = seedText === undefined ? Math.floor(Math.random() * 2 ** 31) : whole("seed", seedText);
  const store = { backend: backend as StoreConfig["backend"] };
  if (name !== undefined) return scenario(name, whole("minutes", minutes) * 60_000, seed, store);
  const onProgress = (figures: Figures): void => say(figuresLine(figures));
  const outcome = await runChaos({ rounds: whole("rounds", rounds), seed, store, onProgress });
  for (const line of outcome.story) say(line);
  process.stdout.write(`${json ? JSON.stringify(outcome.figures) : figuresLine(outcome.figures)}\n`);
  return isClean(outcome.figures) ? 0 : EXIT_FAILED;
}

// What was begun is put away at the exit, which a signal alone would not come to.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(EXIT_FAILED));

process.exitCode = await main().catch((error: unknown) => {
  if (!(error instanceof UsageError)) throw error;
  say(`${error.message}\n${USAGE}`);
  return EXIT_USAGE;
});
