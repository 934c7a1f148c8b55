/** Arguments of the operate commands, checked: a mistake is answered before anything is connected to. */
import { readFile } from "node:fs/promises";
import { UsageError } from "./command.ts";

type Values = Readonly<Record<string, string | boolean | undefined>>;

/** The only positional argument. */
export function onePositional(positionals: readonly string[], name: string): string {
  const [first, second] = positionals;
  if (first === undefined) throw new UsageError(`argument <${name}>: missing`);
  if (second !== undefined) throw new UsageError(`argument "${second}": one too many`);
  return first;
}

export function noPositionals(positionals: readonly string[]): void {
  if (positionals.length > 0) throw new UsageError(`argument "${positionals[0]}": one too many`);
}

/** A whole number from 0, or undefined when the option is not there. */
export function wholeNumber(values: Values, option: string, maximum: number): number | undefined {
  const text = values[option];
  if (text === undefined) return undefined;
  const value = typeof text === "string" && /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value <= maximum) return value;
  throw new UsageError(`--${option} "${String(text)}": not a whole number from 0 to ${maximum}`);
}

export function oneOf<T extends string>(
  values: Values,
  option: string,
  allowed: readonly T[],
): T | undefined {
  const text = values[option];
  const found = allowed.find((value) => value === text);
  if (text === undefined || found !== undefined) return found;
  throw new UsageError(`--${option} "${String(text)}": not one of ${allowed.join(", ")}`);
}

/** A file that the command line names. */
export async function readTextFile(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new UsageError(`file "${file}": ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}
