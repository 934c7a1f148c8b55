/** `sandpiper status`: the gateway itself, on one screen. */
import type { DeploymentStatus, FlashUse, GatewayStatus, HubStatus } from "../../host/index.ts";
import { noPositionals } from "./arguments.ts";
import type { Command } from "../command.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";
import { printable } from "./message-text.ts";
import { formatAge, formatBytes } from "./table.ts";

const APPLIED = 200;
const CERTIFICATE_WARN_DAYS = 30;

export const statusCommand: Command = {
  name: "status",
  group: "operate",
  summary: "show how the gateway is doing",
  usage: "sandpiper status [--dir <folder>] [--json]",
  example: "sandpiper status",
  options: DIR_OPTION,
  async run({ values, positionals, env, json, out }) {
    noPositionals(positionals, this.usage);
    const status = await (await gatewayClient(values, env)).status();
    out(json ? JSON.stringify(status) : formatStatus(status, Date.now()));
    return status.state === "failed" ? 1 : 0;
  },
};

export function formatStatus(status: GatewayStatus, nowMs: number): string {
  const { gatewayId, version, pid, state, startedAt, listeners, hub, hubRestarts, hubFailure } = status;
  const lines = [
    `gateway   ${gatewayId}, sandpiper ${version}, process ${pid}`,
    `state     ${state}, up ${formatAge(nowMs - Date.parse(startedAt))}`,
    ...listeners.map(({ protocol, host, port }) => `listens   ${protocol}://${host}:${port}`),
    ...(status.managementUrl === null ? [] : [`managed   ${status.managementUrl}, with the token`]),
    ...(hub ? formatHub(hub, nowMs) : []),
    ...(hubRestarts > 0 || hubFailure ? [`          made again ${hubRestarts} times: ${hubFailure}`] : []),
    ...formatStores(status),
    ...(status.deployment ? [formatDeployment(status.deployment)] : []),
    ...(status.certificate ? [formatCertificate(status.certificate)] : []),
  ];
  return lines.join("\n");
}

function formatHub({ state, connections, counters, flash, troubles }: HubStatus, nowMs: number): string[] {
  const counts = COUNTS.filter(([name]) => (counters[name] ?? 0) > 0);
  return [
    `hub       store ${state}, ${connections} connections`,
    ...(state === "full" ? [STORE_FULL] : []),
    ...(counts.length > 0
      ? [`messages  ${counts.map(([name, words]) => `${counters[name]} ${words}`).join(", ")}`]
      : []),
    `flash     ${formatFlash(flash.lastMinute)} over the last minute`,
    `          ${formatFlash(flash.sinceStart)} since the start`,
    ...troubles.map(({ client, what, at, times }) => {
      const often = times > 1 ? `, ${times} times` : "";
      return printable(`trouble   ${client}, ${formatAge(nowMs - Date.parse(at))} ago${often}: ${what}`);
    }),
  ];
}

const STORE_FULL = "          producers wait until consumers make room: sandpiper queue list";

/** "12 KB a second, 480 B a message, 1.0 GB a day" */
function formatFlash({ bytesPerSecond, bytesPerMessage, bytesPerDay }: FlashUse): string {
  const each = bytesPerMessage === null ? [] : [`${formatBytes(bytesPerMessage)} a message`];
  return [`${formatBytes(bytesPerSecond)} a second`, ...each, `${formatBytes(bytesPerDay)} a day`].join(", ");
}

/** Shown until somebody has looked at them, and removed them. */
function formatStores({ storesSetAside, storeRestored }: GatewayStatus): string[] {
  if (storesSetAside.length === 0) return [];
  const came = storeRestored
    ? `${storeRestored.identities} identities${storeRestored.routes ? " and the routes" : ""} came back from the copy`
    : "nothing came back";
  return [
    ...storesSetAside.map(({ path, at, reason, bytes }) =>
      printable(`DAMAGED   store set aside ${at}: ${reason}; ${bytes} bytes in ${path}`),
    ),
    `          the gateway went on with an empty store; ${came}`,
  ];
}

/** What tells somebody who looks for a message where it went. */
const COUNTS: readonly (readonly [counter: string, words: string])[] = [
  ["received", "received"],
  ["no_route", "matched no route"],
  ["unknown_topic", "for unknown topics"],
  ["undecided", "could not be judged by a condition"],
  ["expired_ttl", "expired"],
  ["dropped_oldest", "given up to make room"],
  ["dropped_with_endpoint", "dropped with their route"],
  ["dead_lettered", "dead-lettered"],
];

function formatDeployment({ version, code, description }: DeploymentStatus): string {
  if (code === APPLIED) return `deployed  deployment ${version}`;
  if (version === 0) return "deployed  nothing yet; bring something with: sandpiper apply <deployment.json>";
  return `deployed  not deployment ${version}: ${code} ${printable(description)}`;
}

function formatCertificate({ notAfter, daysLeft }: NonNullable<GatewayStatus["certificate"]>): string {
  if (daysLeft < 0) return `TLS       certificate EXPIRED on ${notAfter}: restart the gateway to renew it`;
  const advice = daysLeft < CERTIFICATE_WARN_DAYS ? ": restart the gateway to renew it" : "";
  return `TLS       certificate good for ${daysLeft} days${advice}`;
}
