/** What the demo says to try next, ready to paste into a second terminal. */
import type { MqttLogin } from "../../host/index.ts";
import { mosquittoCommand, shellQuote } from "../operate/mosquitto.ts";
import { FILTER } from "./deployment.ts";

export interface GuideFacts {
  readonly dir: string;
  readonly mqttPort: number;
  readonly login: MqttLogin;
  readonly connectionString: string;
}

/** `npx sandpiper` here; whoever installed the package has `sandpiper`. */
const COMMAND = "npx sandpiper";
/** Hot enough to pass the filter. */
const BODY = JSON.stringify({ machine: { temperature: 99 } });

export function formatGuide({ dir, mqttPort, login, connectionString }: GuideFacts): string {
  const at = `--dir ${shellQuote(dir)}`;
  const send = mosquittoCommand(login, { host: "127.0.0.1", port: mqttPort }, BODY);
  return [
    "",
    "Try it, in a second terminal:",
    "",
    "  what runs                " + `${COMMAND} list ${at}`,
    "  what a module says       " + `${COMMAND} logs ${FILTER} --follow ${at}`,
    "  what reached $upstream   " + `${COMMAND} events --follow ${at}`,
    "",
    "Send a message of your own, as the device `demo`; it goes through the filter to $upstream:",
    "",
    ...send.split("\n").map((line) => `  ${line}`),
    "",
    "For a device SDK:",
    "",
    `  ${connectionString}`,
    "",
    "Ctrl-C stops everything and removes its folder.",
    "",
  ].join("\n");
}
