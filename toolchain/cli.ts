#!/usr/bin/env node
/** The `sandpiper` command, as the shell starts it. */
import { createInterface } from "node:readline/promises";
import { COMMANDS } from "./commands.ts";
import { main } from "./main.ts";

/** Whoever reads our output may have seen enough: `sandpiper list | head`. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
}

/** The question goes to stderr: stdout is for what was asked for. */
async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await terminal.question(question);
  } finally {
    terminal.close();
  }
}

process.exitCode = await main(
  process.argv.slice(2),
  {
    env: process.env,
    out: (text) => void process.stdout.write(`${text}\n`),
    err: (text) => void process.stderr.write(`${text}\n`),
    ...(process.stdin.isTTY && process.stderr.isTTY ? { ask } : {}),
  },
  COMMANDS,
);
