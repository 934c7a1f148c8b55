/** Runs one command as the command line would, and gathers what it says. */
import { parseArgs } from "node:util";
import type { Command } from "../../../toolchain/operate/command.ts";

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function runCommand(
  command: Command,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Outcome> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { ...command.options, json: { type: "boolean" } },
    allowPositionals: true,
  });
  const out: string[] = [];
  const err: string[] = [];
  const code = await command.run({
    values: values as Record<string, string | boolean | undefined>,
    positionals,
    json: values["json"] === true,
    env,
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
  });
  return { code, out: out.join("\n"), err: err.join("\n") };
}
