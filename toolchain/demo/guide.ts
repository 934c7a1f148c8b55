/** What the demo says to try next, ready to paste into a second terminal. */
import type { MqttLogin } from "../operate/mqtt-login.ts";
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
  const at = `--dir ${quote(dir)}`;
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
    `  mosquitto_pub -h 127.0.0.1 -p ${mqttPort} -i ${quote(login.clientId)} -q 1 \\`,
    `    -u ${quote(login.username)} \\`,
    `    -P ${quote(login.password)} \\`,
    `    -t ${quote(login.topic)} -m ${quote(BODY)}`,
    "",
    "For a device SDK:",
    "",
    `  ${connectionString}`,
    "",
    "Ctrl-C stops everything and removes its folder.",
    "",
  ].join("\n");
}

/** For a POSIX shell; bare when that is safe. */
const quote = (text: string): string =>
  /^[\w./:@=+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
