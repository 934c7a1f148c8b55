/** Runs a command line as the shell would, and gathers what it says. */
import { COMMANDS } from "../../../toolchain/commands.ts";
import { main } from "../../../toolchain/main.ts";

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function runCommand(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  ask?: (question: string) => Promise<string>,
): Promise<Outcome> {
  const out: string[] = [];
  const err: string[] = [];
  const terminal = {
    env,
    out: (text: string) => void out.push(text),
    err: (text: string) => void err.push(text),
    ...(ask === undefined ? {} : { ask }),
  };
  const code = await main(argv, terminal, COMMANDS);
  return { code, out: out.join("\n"), err: err.join("\n") };
}
