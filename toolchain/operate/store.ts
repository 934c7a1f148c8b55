/** `sandpiper store check|set-aside`: the store of a gateway that is stopped. */
import type { StoreVerdict } from "../../hub/index.ts";
import { noPositionals } from "./arguments.ts";
import type { Command } from "../command.ts";
import { DIR_OPTION, gatewayDir } from "./gateway-dir.ts";
import { printable } from "./message-text.ts";

export const storeCheckCommand: Command = {
  name: "store check",
  group: "operate",
  summary: "read the whole store of a stopped gateway: what it holds, or where it is damaged",
  usage: "sandpiper store check [--dir <folder>] [--json]",
  example: "sandpiper store check",
  options: DIR_OPTION,
  async run({ values, positionals, env, json, out }) {
    noPositionals(positionals, this.usage);
    const { checkOfflineStore } = await import("../../host/index.ts");
    const verdict = await checkOfflineStore(gatewayDir(values, env));
    out(json ? JSON.stringify(verdict) : printable(formatVerdict(verdict)));
    return verdict.state === "sound" || verdict.state === "empty" ? 0 : 1;
  },
};

function formatVerdict(verdict: StoreVerdict): string {
  switch (verdict.state) {
    case "sound": {
      const { queues, messages, messageBytes, identities, fileBytes, usedBytes } = verdict;
      const held = `${messages} messages (${messageBytes} bytes) in ${queues} queues, ${identities} identities`;
      return `sound: ${held}; the file has ${fileBytes} bytes, ${usedBytes} of them in use`;
    }
    case "empty":
      return "empty: nothing was stored yet";
    case "damaged":
      return `DAMAGED: ${verdict.what}`;
    case "died":
      return `DAMAGED: reading it ends a process with ${verdict.signal}`;
    case "unreadable":
      return `cannot be read: ${verdict.what}`;
    case "unknown":
      return `no answer: ${verdict.what}`;
  }
}

export const storeSetAsideCommand: Command = {
  name: "store set-aside",
  group: "operate",
  summary: "move the store of a stopped gateway aside, so that it begins anew; devices and routes come back",
  usage: "sandpiper store set-aside [--forget-devices] [--dir <folder>]",
  example: "sandpiper store set-aside",
  options: {
    ...DIR_OPTION,
    "forget-devices": { type: "boolean", description: "devices and routes do not come back either" },
  },
  async run({ values, positionals, env, json, out }) {
    noPositionals(positionals, this.usage);
    const { setOfflineStoreAside } = await import("../../host/index.ts");
    const moved = await setOfflineStoreAside(gatewayDir(values, env), values["forget-devices"] === true);
    if (json) out(JSON.stringify(moved));
    else out(moved ? `set aside: ${moved.bytes} bytes in ${moved.path}` : "there is no store yet");
    return 0;
  },
};
