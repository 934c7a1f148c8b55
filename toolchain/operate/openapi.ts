/** `sandpiper openapi`: what can be asked of the management API, for whoever builds on it. */
import type { Command } from "../command.ts";
import { packageVersion } from "../package-root.ts";
import { noPositionals } from "./arguments.ts";

export const openApiCommand: Command = {
  name: "openapi",
  group: "operate",
  summary: "print the OpenAPI document of the management API; no gateway needs to run",
  usage: "sandpiper openapi",
  example: "sandpiper openapi > sandpiper.json",
  options: {},
  async run({ positionals, out }) {
    noPositionals(positionals, this.usage);
    const { managementDocument } = await import("../../host/index.ts");
    out(JSON.stringify(await managementDocument(packageVersion()), null, 2));
    return 0;
  },
};
