/** Help texts: pure. */
import type { Command } from "./command.ts";

const TITLES = { develop: "Develop", operate: "Operate" } as const;

export function commandList(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const groups = (["develop", "operate"] as const).flatMap((group) => {
    const rows = commands.filter((command) => command.group === group);
    if (rows.length === 0) return [];
    return [
      `${TITLES[group]}:`,
      ...rows.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
      "",
    ];
  });
  return [
    "usage: sandpiper <command> [options]",
    "",
    ...groups,
    "sandpiper <command> --help shows its options and an example.",
  ].join("\n");
}

export function commandHelp({ name, summary, usage, example, options }: Command): string {
  const rows: [string, string][] = Object.entries(options).map(
    ([option, { type, short, description = "" }]) => [
      `${short === undefined ? "" : `-${short}, `}--${option}${type === "string" ? "=<value>" : ""}`,
      description,
    ],
  );
  rows.push(["--json", "print one JSON value instead of text"]);
  const width = Math.max(...rows.map(([option]) => option.length));
  return [
    `sandpiper ${name}: ${summary}`,
    "",
    `usage: ${usage}`,
    "",
    "options:",
    ...rows.map(([option, description]) => `  ${option.padEnd(width)}  ${description}`.trimEnd()),
    "",
    "example:",
    ...example.split("\n").map((line) => `  ${line}`),
  ].join("\n");
}
