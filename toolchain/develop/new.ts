/** `sandpiper new`: a project that builds, to start from. */
import path from "node:path";
import type { Command } from "../command.ts";
import { onlyPositional, stringOption } from "./arguments.ts";

export const newCommand: Command = {
  name: "new",
  group: "develop",
  summary: "make a project for a module",
  usage: "sandpiper new [--name=<name>] <folder>",
  example: "sandpiper new thermostat\nsandpiper build thermostat",
  options: { name: { type: "string", description: "name of the module; default the folder's" } },
  async run({ values, positionals, json, out }) {
    const folder = onlyPositional(positionals, "<folder>", this.usage);
    const { createProject } = await import("../project-template.ts");
    const name = stringOption(values, "name") ?? path.basename(path.resolve(folder));
    const files = await createProject(folder, name);
    if (json) out(JSON.stringify({ folder, name, files }));
    else out(`made    ${name} in ${folder}\nnext    sandpiper build ${folder}`);
    return 0;
  },
};
