#!/usr/bin/env node
/** The `sandpiper` command, as the shell starts it. */
import { COMMANDS } from "./commands.ts";
import { main } from "./main.ts";

/** Whoever reads our output may have seen enough: `sandpiper list | head`. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
}

process.exitCode = await main(
  process.argv.slice(2),
  {
    env: process.env,
    out: (text) => void process.stdout.write(`${text}\n`),
    err: (text) => void process.stderr.write(`${text}\n`),
  },
  COMMANDS,
);
