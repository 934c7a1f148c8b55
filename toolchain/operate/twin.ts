/** `sandpiper twin get|patch|replace`: what a device or module should be, what it says it is, and its tags. */
import type { TwinChange, TwinView } from "../../host/index.ts";
import type { Command, Context } from "../command.ts";
import { optionalPositional, stringOption } from "../develop/arguments.ts";
import { UsageError } from "../errors.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";
import { readJsonArgument } from "./json-argument.ts";
import { MODULE_OPTION, targetOf } from "./target.ts";

const SECTIONS = ["desired", "reported", "tags"] as const;
const CHANGE_OPTIONS = {
  ...DIR_OPTION,
  ...MODULE_OPTION,
  desired: { type: "string", description: "desired properties, as JSON or a file of it" },
  reported: { type: "string", description: "reported properties, in place of the device" },
  tags: { type: "string", description: "tags, which the device does not see" },
  "if-match": { type: "string", description: "only if the twin still has this etag" },
} as const;

export const twinGetCommand: Command = {
  name: "twin get",
  group: "operate",
  summary: "print the twin of a device or module",
  usage: "sandpiper twin get [<device>] [--module <name>] [--dir <folder>] [--json]",
  example: "sandpiper twin get thermo1",
  options: { ...DIR_OPTION, ...MODULE_OPTION },
  async run({ values, positionals, env, json, out }) {
    const target = targetOf(values, optionalPositional(positionals, this.usage), this.usage);
    print(await (await gatewayClient(values, env)).twin(target), json, out);
    return 0;
  },
};

export const twinPatchCommand: Command = {
  name: "twin patch",
  group: "operate",
  summary: "merge a patch into a twin; null deletes, and the device hears of desired properties",
  usage:
    "sandpiper twin patch [<device>] [--module <name>] --desired|--reported|--tags <json or file> [--if-match <etag>] [--dir <folder>] [--json]",
  example: `sandpiper twin patch thermo1 --desired '{"period":5}'`,
  options: CHANGE_OPTIONS,
  run(context) {
    return change(context, this.usage, false);
  },
};

export const twinReplaceCommand: Command = {
  name: "twin replace",
  group: "operate",
  summary: "replace all of a twin's desired properties, reported properties, or tags",
  usage:
    "sandpiper twin replace [<device>] [--module <name>] --desired|--reported|--tags <json or file> [--if-match <etag>] [--dir <folder>] [--json]",
  example: "sandpiper twin replace thermo1 --tags tags.json",
  options: CHANGE_OPTIONS,
  run(context) {
    return change(context, this.usage, true);
  },
};

async function change(
  { values, positionals, env, json, out }: Context,
  usage: string,
  replaces: boolean,
): Promise<number> {
  const target = targetOf(values, optionalPositional(positionals, usage), usage);
  const [section, second] = SECTIONS.filter((name) => values[name] !== undefined);
  if (section === undefined || second !== undefined) {
    throw new UsageError(
      "options --desired, --reported, --tags: one of them, and no more",
      `usage: ${usage}`,
    );
  }
  const patch = await readJsonArgument(stringOption(values, section)!, `--${section}`);
  const ifMatch = stringOption(values, "if-match");
  const wanted: TwinChange = { section, patch, replaces, ...(ifMatch === undefined ? {} : { ifMatch }) };
  print(await (await gatewayClient(values, env)).changeTwin(target, wanted), json, out);
  return 0;
}

/** For a person without the metadata, which is longer than all the rest. */
function print(twin: TwinView, json: boolean, out: Context["out"]): void {
  if (json) return out(JSON.stringify(twin));
  const { etag, tags, properties } = twin;
  const shown = {
    etag,
    tags,
    desired: withoutMetadata(properties.desired),
    reported: withoutMetadata(properties.reported),
  };
  out(JSON.stringify(shown, null, 2));
}

const withoutMetadata = (section: object): object =>
  Object.fromEntries(Object.entries(section).filter(([key]) => key !== "$metadata"));
