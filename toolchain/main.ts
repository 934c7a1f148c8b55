/**
 * From a command line to an exit code: finds the command, parses its options, prints what went wrong. Nothing
 * here touches the process, so tests run it as it is.
 */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { SandpiperError, toErrorRecord } from "../abi/index.ts";
import { EXIT, type Command } from "./command.ts";
import type { CommandTable } from "./commands.ts";
import { UsageError } from "./errors.ts";
import { commandHelp, commandList } from "./help.ts";
import { packageVersion } from "./package-root.ts";

export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whole lines, without the end of the last. */
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** Never rejects. `argv` begins behind the program's name. */
export async function main(
  argv: readonly string[],
  terminal: Terminal,
  table: CommandTable,
): Promise<number> {
  const json = argv.includes("--json");
  try {
    return await dispatch(argv, terminal, table);
  } catch (error) {
    printError(error, json, terminal);
    return error instanceof UsageError ? EXIT.USAGE : EXIT.FAILED;
  }
}

async function dispatch(argv: readonly string[], terminal: Terminal, table: CommandTable): Promise<number> {
  const [first] = argv;
  if (first === undefined || first === "--help" || first === "-h" || first === "help") {
    terminal.out(commandList(await loadAll(table, "")));
    return first === undefined ? EXIT.USAGE : EXIT.DONE;
  }
  if (first === "--version" || first === "version") {
    terminal.out(packageVersion());
    return EXIT.DONE;
  }
  const name = [argv.slice(0, 2).join(" "), first].find((words) => Object.hasOwn(table, words));
  if (name === undefined) return unknownCommand(argv, terminal, table);
  const command = await table[name]!();
  return run(command, argv.slice(name.split(" ").length), terminal);
}

async function run(command: Command, args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parsed(command, args);
  const { help = false, json = false, ...own } = values;
  if (help === true) {
    terminal.out(commandHelp(command));
    return EXIT.DONE;
  }
  return command.run({ ...terminal, values: own, positionals, json: json === true });
}

function parsed(
  command: Command,
  args: readonly string[],
): { readonly values: Record<string, string | boolean | undefined>; readonly positionals: string[] } {
  const options = {
    ...command.options,
    help: { type: "boolean", short: "h" },
    json: { type: "boolean" },
  } satisfies NonNullable<ParseArgsConfig["options"]>;
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options,
      allowPositionals: true,
      strict: true,
    });
    return { values: values as Record<string, string | boolean | undefined>, positionals };
  } catch (error) {
    // Node's words, in the house form: "Unknown option '--x'. To specify ..." and the like.
    const words = (error as Error).message.split(". ")[0]!.replaceAll("'", '"');
    throw new UsageError(words[0]!.toLowerCase() + words.slice(1), `usage: ${command.usage}`);
  }
}

/** `sandpiper queue` shows what `queue` can do; anything else is a mistake. */
async function unknownCommand(
  argv: readonly string[],
  terminal: Terminal,
  table: CommandTable,
): Promise<number> {
  const [first, second] = argv as [string, string?];
  const family = await loadAll(table, `${first} `);
  const isHelp = second === undefined || second === "--help" || second === "-h";
  if (family.length > 0 && isHelp) {
    terminal.out(commandList(family));
    return second === undefined ? EXIT.USAGE : EXIT.DONE;
  }
  const name = family.length > 0 && second !== undefined ? `${first} ${second}` : first;
  throw new UsageError(`command "${name}": unknown`, "sandpiper --help lists the commands");
}

async function loadAll(table: CommandTable, prefix: string): Promise<Command[]> {
  return Promise.all(
    Object.entries(table)
      .filter(([name]) => name.startsWith(prefix))
      .map(([, load]) => load()),
  );
}

/** `error:` what, then where, then `hint:` what next. Only a bug has a stack, and only who asks sees it. */
function printError(error: unknown, json: boolean, { err, env }: Terminal): void {
  const isDebugging = env["SANDPIPER_DEBUG"] === "1";
  const isBug = !(error instanceof SandpiperError);
  const record = toErrorRecord(error);
  const hint =
    record.hint ?? (isBug ? "this is a bug; SANDPIPER_DEBUG=1 shows where it happened" : undefined);
  if (json) err(JSON.stringify({ error: hint === undefined ? record : { ...record, hint } }));
  else {
    err(`error: ${isBug ? "internal: " : ""}${record.message}`);
    for (const place of placesOf(record.details)) err(`  ${place}`);
    if (hint !== undefined) err(`hint: ${hint}`);
  }
  if (isDebugging)
    for (let cause = error; cause instanceof Error; cause = cause.cause) err(cause.stack ?? "");
}

/** Places in a source, from `details.diagnostics`; or one place, from `details.place`. */
function placesOf(details: Readonly<Record<string, unknown>>): string[] {
  const { diagnostics, place } = details;
  if (Array.isArray(diagnostics)) return diagnostics.flatMap(formatDiagnostic);
  return typeof place === "string" ? [place] : [];
}

const formatDiagnostic = (row: Record<string, string | number>): string[] => [
  `${row["file"] ? `${row["file"]}:${row["line"]}:${row["column"]}: ` : ""}${row["message"]}`,
  ...(row["hint"] === undefined ? [] : [`  ${row["hint"]}`]),
];
