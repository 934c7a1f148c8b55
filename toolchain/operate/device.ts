/** `sandpiper device add|token|list|remove`: who may connect. */
import { join } from "node:path";
import type { DeviceOptions, DeviceView, GatewayStatus, MqttLogin } from "../../host/index.ts";
import { onlyPositional, stringOption } from "../develop/arguments.ts";
import { noPositionals, wholeNumber } from "./arguments.ts";
import type { Command, Context } from "../command.ts";
import { UsageError } from "../errors.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION, gatewayDir } from "./gateway-dir.ts";
import { mosquittoCommand, shellQuote, type Broker } from "./mosquitto.ts";
import { formatTable, type Column } from "./table.ts";

const HOUR_SECS = 60 * 60;
const LOGIN_HOURS_DEFAULT = 24;
const LOGIN_HOURS_MAX = 24 * 365;
const BODY_EXAMPLE = JSON.stringify({ celsius: 41 });

const HOURS_OPTION = {
  hours: { type: "string", description: `how long the token is good (${LOGIN_HOURS_DEFAULT})` },
} as const;

export const deviceAddCommand: Command = {
  name: "device add",
  group: "operate",
  summary: "add a device and print its connection string; the keys are shown this once",
  usage:
    "sandpiper device add [<device>] [--module <name>] [--parent <device>] [--mqtt] [--hours <n>] " +
    "[--x509-thumbprint <hex> [--secondary <hex>] | --x509-ca] [--dir <folder>] [--json]",
  example: "sandpiper device add thermo1 --mqtt",
  options: {
    ...DIR_OPTION,
    module: { type: "string", description: "a module of it; without a device, one of the gateway's own" },
    parent: { type: "string", description: "device that it is a child of; the gateway may be one" },
    "x509-thumbprint": {
      type: "string",
      description: "no keys: it shows the certificate of this SHA-1 or SHA-256",
    },
    secondary: { type: "string", description: "thumbprint of another certificate that it may show" },
    "x509-ca": { type: "boolean", description: "no keys: it shows a certificate of a device authority" },
    mqtt: { type: "boolean", description: "print what a plain MQTT client needs, too" },
    ...HOURS_OPTION,
  },
  async run({ values, positionals, env, json, out, err }) {
    const name = identityName(values, positionals, this.usage);
    const validSecs = validSecsOf(values);
    const dir = gatewayDir(values, env);
    const client = await gatewayClient(values, env);
    const parent = stringOption(values, "parent");
    const certificate = certificateOptions(values);
    if (certificate !== null) {
      const registered = await client.addCertificateDevice(name, { parent, ...certificate });
      out(json ? JSON.stringify(registered) : registered.connectionString);
      return 0;
    }
    const device = await client.addDevice(name, { parent });
    if (values["mqtt"] !== true) {
      out(json ? JSON.stringify(device) : device.connectionString);
      if (!json) err(`for a client without SDK: ${tokenCommand(device, values)}`);
      return 0;
    }
    const mqtt = await client.login(name, validSecs);
    out(
      json
        ? JSON.stringify({ ...device, mqtt })
        : `${device.connectionString}\n\n${describe(mqtt, brokerOf(await client.status(), dir))}`,
    );
    return 0;
  },
};

/** `null`: it gets keys. */
function certificateOptions(values: Context["values"]): DeviceOptions | null {
  const primaryThumbprint = stringOption(values, "x509-thumbprint");
  const secondaryThumbprint = stringOption(values, "secondary");
  const isByAuthority = values["x509-ca"] === true;
  const isPinned = primaryThumbprint !== undefined;
  const clash =
    (isPinned && isByAuthority && "--x509-ca") ||
    (secondaryThumbprint !== undefined && !isPinned && "--secondary without --x509-thumbprint") ||
    ((isPinned || isByAuthority) && values["mqtt"] === true && "--mqtt with a certificate");
  if (clash)
    throw new UsageError(`option ${clash}: does not go together`, `usage: ${deviceAddCommand.usage}`);
  if (isPinned) return { certificate: "selfSigned", primaryThumbprint, secondaryThumbprint };
  return isByAuthority ? { certificate: "certificateAuthority" } : null;
}

export const deviceTokenCommand: Command = {
  name: "device token",
  group: "operate",
  summary: "print a token by which any MQTT client can connect as a device for a while",
  usage:
    "sandpiper device token [<device>] [--module <name>] [--mqtt] [--hours <n>] [--dir <folder>] [--json]",
  example: "sandpiper device token thermo1 --hours 1 --mqtt",
  options: {
    ...DIR_OPTION,
    module: { type: "string", description: "a module of it; without a device, one of the gateway's own" },
    mqtt: { type: "boolean", description: "print all that a plain MQTT client needs" },
    ...HOURS_OPTION,
  },
  async run({ values, positionals, env, json, out }) {
    const name = identityName(values, positionals, this.usage);
    const validSecs = validSecsOf(values);
    const dir = gatewayDir(values, env);
    const client = await gatewayClient(values, env);
    const login = await client.login(name, validSecs);
    if (json) out(JSON.stringify(login));
    else if (values["mqtt"] !== true) out(login.password);
    else out(describe(login, brokerOf(await client.status(), dir)));
    return 0;
  },
};

/** @throws {UsageError} */
export function identityName(
  values: Context["values"],
  positionals: readonly string[],
  usage: string,
): { readonly deviceId?: string; readonly moduleId?: string } {
  const moduleId = stringOption(values, "module");
  if (moduleId === undefined) return { deviceId: onlyPositional(positionals, "<device>", usage) };
  if (positionals.length === 0) return { moduleId };
  return { deviceId: onlyPositional(positionals, "<device>", usage), moduleId };
}

const validSecsOf = (values: Context["values"]): number =>
  (wholeNumber(values, "hours", LOGIN_HOURS_MAX, 1) ?? LOGIN_HOURS_DEFAULT) * HOUR_SECS;

function tokenCommand({ deviceId, moduleId }: DeviceView, values: Context["values"]): string {
  const module = moduleId === null ? "" : ` --module ${moduleId}`;
  const dir = stringOption(values, "dir");
  return `sandpiper device token ${shellQuote(deviceId)}${module} --mqtt${dir ? ` --dir ${shellQuote(dir)}` : ""}`;
}

/** For somebody who types it into an MQTT client. */
const describe = (login: MqttLogin, broker: Broker | null): string =>
  [
    `client id  ${login.clientId}`,
    `user name  ${login.username}`,
    `password   ${login.password}`,
    `           good until ${login.expires}`,
    `topic      ${login.topic}`,
    ...(broker === null ? [] : ["", mosquittoCommand(login, broker, BODY_EXAMPLE)]),
  ].join("\n");

/** Where a client on this machine connects: plain if it can be, else over TLS by the name in the certificate. */
function brokerOf({ listeners, hostname }: GatewayStatus, dir: string): Broker | null {
  const plain = listeners.find(({ protocol }) => protocol === "mqtt");
  if (plain) return { host: ANY_ADDRESS.test(plain.host) ? "127.0.0.1" : plain.host, port: plain.port };
  const tls = listeners.find(({ protocol }) => protocol === "mqtts");
  return tls ? { host: hostname, port: tls.port, caFile: join(dir, "tls", "trust-bundle.pem") } : null;
}

const ANY_ADDRESS = /^(0\.0\.0\.0|::)$/;

const COLUMNS: readonly Column<DeviceView>[] = [
  { title: "DEVICE", cell: ({ deviceId }) => deviceId },
  { title: "MODULE", cell: ({ moduleId }) => moduleId },
  { title: "ENABLED", cell: ({ enabled }) => (enabled ? "yes" : "no") },
];

export const deviceListCommand: Command = {
  name: "device list",
  group: "operate",
  summary: "list the devices and modules that may connect",
  usage: "sandpiper device list [--dir <folder>] [--json]",
  example: "sandpiper device list",
  options: DIR_OPTION,
  async run({ values, positionals, env, json, out }) {
    noPositionals(positionals, this.usage);
    const devices = await (await gatewayClient(values, env)).devices();
    if (json) out(JSON.stringify(devices));
    else
      out(
        devices.length === 0
          ? "no devices; add one with: sandpiper device add <device>"
          : formatTable(COLUMNS, devices),
      );
    return 0;
  },
};

export const deviceRemoveCommand: Command = {
  name: "device remove",
  group: "operate",
  summary: "remove a device: its keys are forgotten, its connection is closed",
  usage: "sandpiper device remove <device> [--module <name>] [--dir <folder>]",
  example: "sandpiper device remove thermo1",
  options: { ...DIR_OPTION, module: { type: "string", description: "this module of it only" } },
  async run({ values, positionals, env, json, out }) {
    const deviceId = onlyPositional(positionals, "<device>", this.usage);
    const moduleId = stringOption(values, "module");
    if (moduleId === "") throw new UsageError('option --module "": no name', `usage: ${this.usage}`);
    await (await gatewayClient(values, env)).removeDevice(deviceId, moduleId);
    const name = moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`;
    out(json ? JSON.stringify({ removed: name }) : `removed ${name}`);
    return 0;
  },
};
