/** What the command lines of `npm run chaos` and `npm run fuzz` have in common. */
import { parseArgs, type ParseArgsConfig } from "node:util";

const SEED_MAX = 2 ** 31 - 1;

export class UsageError extends Error {}

/** @throws {UsageError} */
export function valuesOf<T extends NonNullable<ParseArgsConfig["options"]>>(
  args: readonly string[],
  options: T,
) {
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** @throws {UsageError} */
export function whole(name: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= min && number <= max) return number;
  throw new UsageError(`--${name} "${text}": expected a whole number from ${min} to ${max}`);
}

/** Drawn when none is given. @throws {UsageError} */
export const seedOf = (text: string | undefined): number =>
  text === undefined ? Math.floor(Math.random() * SEED_MAX) : whole("seed", text, 0, SEED_MAX);
