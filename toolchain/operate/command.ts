/** What an operate command is given and is. TEMPORARY SHAPE: replaced by ../command.ts. */
import type { ParseArgsConfig } from "node:util";

export interface Context {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly positionals: readonly string[];
  readonly json: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** One line, or several, to stdout. */
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

export interface Command {
  readonly name: string;
  readonly group: "develop" | "operate";
  readonly summary: string;
  readonly usage: string;
  readonly example: string;
  readonly options: NonNullable<ParseArgsConfig["options"]>;
  run(context: Context): Promise<number>;
}

import { SandpiperError } from "../../abi/index.ts";
export class UsageError extends SandpiperError {
  constructor(message: string, hint?: string) {
    super("SP_USAGE", message, hint === undefined ? {} : { hint });
  }
}
