/** Every command by its name: a row each, and each loaded only when it is asked for. */
import type { Command } from "./command.ts";

export type CommandTable = Readonly<Record<string, () => Promise<Command>>>;

export const COMMANDS: CommandTable = {
  new: async () => (await import("./develop/new.ts")).newCommand,
  build: async () => (await import("./develop/build.ts")).buildCommand,
  keygen: async () => (await import("./develop/keygen.ts")).keygenCommand,
  sign: async () => (await import("./develop/sign.ts")).signCommand,
  verify: async () => (await import("./develop/verify.ts")).verifyCommand,
  inspect: async () => (await import("./develop/inspect.ts")).inspectCommand,
};
