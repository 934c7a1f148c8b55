/** Options of the operate commands, checked: a mistake is answered before anything is connected to. */
import { UsageError } from "../errors.ts";

type Values = Readonly<Record<string, string | boolean | undefined>>;

export function noPositionals(positionals: readonly string[], usage: string): void {
  if (positionals.length > 0) {
    throw new UsageError(`argument "${positionals[0]}": one too many`, `usage: ${usage}`);
  }
}

/** A whole number, or undefined when the option is not there. */
export function wholeNumber(
  values: Values,
  option: string,
  maximum: number,
  minimum = 0,
): number | undefined {
  const text = values[option];
  if (text === undefined) return undefined;
  const value = typeof text === "string" && /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= minimum && value <= maximum) return value;
  const range = maximum === Number.MAX_SAFE_INTEGER ? `from ${minimum} on` : `from ${minimum} to ${maximum}`;
  throw new UsageError(`option --${option} "${String(text)}": not a whole number ${range}`);
}

export function oneOf<T extends string>(
  values: Values,
  option: string,
  allowed: readonly T[],
): T | undefined {
  const text = values[option];
  const found = allowed.find((value) => value === text);
  if (text === undefined || found !== undefined) return found;
  throw new UsageError(`option --${option} "${String(text)}": not one of ${allowed.join(", ")}`);
}
