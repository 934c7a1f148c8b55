/**
 * `npm run chaos`: kills gateways, and judges what they do. Progress goes to stderr, the line of figures to stdout.
 *
 * Exit code 0: nothing was lost, doubled or otherwise breached; 1: something was; 2: usage.
 */
import { parseArgs } from "node:util";
import { STORE_DEFAULTS, type StoreConfig } from "../../hub/face.ts";
import { runChaos } from "./chaos.ts";
import { figuresLine, isClean } from "./figures.ts";

const USAGE = `usage: npm run chaos -- [options]

  --rounds N       lives that end by SIGKILL (15)
  --seed S         to have the same draws again (random)
  --backend NAME   of the store (the default one)
  --json           the figures as JSON
`;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

class UsageError extends Error {}

const OPTIONS = {
  rounds: { type: "string", default: "15" },
  seed: { type: "string" },
  backend: { type: "string", default: STORE_DEFAULTS.backend },
  json: { type: "boolean", default: false },
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
  if (!Number.isInteger(number) || number < 0) throw new UsageError(`--${name} "${text}": not a whole number`);
  return number;
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(): Promise<number> {
  const { rounds, seed, backend, json } = parse();
  const outcome = await runChaos({
    rounds: whole("rounds", rounds),
    seed: seed === undefined ? Math.floor(Math.random() * 2 ** 31) : whole("seed", seed),
    store: { backend: backend as StoreConfig["backend"] },
    onProgress: (figures) => say(figuresLine(figures)),
  });
  for (const line of outcome.story) say(line);
  process.stdout.write(`${json ? JSON.stringify(outcome.figures) : figuresLine(outcome.figures)}\n`);
  return isClean(outcome.figures) ? 0 : EXIT_FAILED;
}

process.exitCode = await main().catch((error: unknown) => {
  if (!(error instanceof UsageError)) throw error;
  say(`${error.message}\n${USAGE}`);
  return EXIT_USAGE;
});
