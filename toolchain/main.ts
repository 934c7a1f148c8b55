/**
 * From a command line to an exit code: finds the command, parses its options, prints what went wrong. Nothing
 * here touches the process, so tests run it as it is.
 */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { SandpiperError, toErrorRecord } from "../abi/index.ts";
import { EXIT, type Command } from "./command.ts";
import type { CommandTable } from "./commands.ts";
import { UsageError } from "./errors.ts";
import { printable } from "./operate/message-text.ts";
import { commandHelp, commandList } from "./help.ts";
import { packageVersion } from "./package-root.ts";

export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whole lines, without the end of the last. */
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Absent: nobody can be asked. */
  readonly ask?: (question: string) => Promise<string>;
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
  const [first, ...rest] = argv;
  if (first === "help" && rest.length > 0) return dispatch([...rest, "--help"], terminal, table);
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
  const ask = terminal.ask ?? (() => Promise.resolve(null));
  return command.run({ ...terminal, ask, values: own, positionals, json: json === true });
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
    throw new UsageError(optionMistake(error as Error), `usage: ${command.usage}`);
  }
}

/** Node's words in the house form: it says "Option '-n, --lines <value>' argument missing" and the like. */
function optionMistake({ message }: Error): string {
  const option = /'(?:-\w, )?(-[^\s']*)/.exec(message)?.[1] ?? "";
  if (message.startsWith("Unknown option")) return `option ${option}: unknown`;
  if (message.includes("does not take an argument")) return `option ${option}: takes no value`;
  if (message.includes("ambiguous")) return `option ${option}: its value is missing, or begins with a dash`;
  return `option ${option}: its value is missing`;
}

/** `sandpiper queue` shows what `queue` can do; anything else is a mistake. */
async function unknownCommand(
  argv: readonly string[],
  terminal: Terminal,
  table: CommandTable,
): Promise<number> {
  const [first, second] = argv as [string, string?];
  if (first.startsWith("-")) {
    throw new UsageError(`option ${first}: stands before the command`, "sandpiper <command> [options]");
  }
  const family = await loadAll(table, `${first} `);
  const isHelp = second === undefined || second === "--help" || second === "-h";
  if (family.length > 0 && isHelp) {
    terminal.out(commandList(family));
    return second === undefined ? EXIT.USAGE : EXIT.DONE;
  }
  if (family.length > 0) {
    throw new UsageError(
      `command "${first} ${second}": unknown`,
      `sandpiper ${first} --help lists its commands`,
    );
  }
  const similar = Object.keys(table).find(
    (name) => first !== "" && (name.startsWith(first) || first.startsWith(name.split(" ", 1)[0]!)),
  );
  const guess = similar === undefined ? "" : `did you mean "${similar}"? `;
  throw new UsageError(`command "${first}": unknown`, `${guess}sandpiper --help lists the commands`);
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
    // Messages quote what strangers wrote: files, modules, devices.
    err(printable(`error: ${isBug ? "internal: " : ""}${record.message}`));
    for (const place of placesOf(record.details)) err(`  ${printable(place)}`);
    if (hint !== undefined) err(printable(`hint: ${hint}`));
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
