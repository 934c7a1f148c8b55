/** Arguments of the develop commands. */
import { UsageError } from "../errors.ts";

/** The one positional argument there must be. */
export function onlyPositional(positionals: readonly string[], name: string, usage: string): string {
  const only = optionalPositional(positionals, usage);
  if (only === undefined) throw new UsageError(`argument ${name}: missing`, `usage: ${usage}`);
  return only;
}

/** The one positional argument there may be. */
export function optionalPositional(positionals: readonly string[], usage: string): string | undefined {
  const [first, second] = positionals;
  if (second !== undefined) throw new UsageError(`argument "${second}": one too many`, `usage: ${usage}`);
  return first;
}

/** An option of type string, or undefined. */
export function stringOption(
  values: Readonly<Record<string, string | boolean | undefined>>,
  name: string,
): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}
