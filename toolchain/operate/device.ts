/** `sandpiper device add|list|remove`: who may connect. */
import type { DeviceCreated, DeviceView } from "../../host/index.ts";
import { onlyPositional, stringOption } from "../develop/arguments.ts";
import { noPositionals, wholeNumber } from "./arguments.ts";
import type { Command } from "../command.ts";
import { UsageError } from "../errors.ts";
import { DIR_OPTION, gatewayDir } from "./gateway-dir.ts";
import type { MqttLogin } from "./mqtt-login.ts";
import { formatTable, type Column } from "./table.ts";

const HOUR_MS = 60 * 60 * 1000;
const LOGIN_HOURS_DEFAULT = 24;
const LOGIN_HOURS_MAX = 24 * 365;

export const deviceAddCommand: Command = {
  name: "device add",
  group: "operate",
  summary: "add a device and print its connection string; the keys are shown this once",
  usage: "sandpiper device add [<device>] [--module <name>] [--mqtt] [--hours <n>] [--dir <folder>] [--json]",
  example: "sandpiper device add thermo1 --mqtt",
  options: {
    ...DIR_OPTION,
    module: { type: "string", description: "a module of it; without a device, one of the gateway's own" },
    mqtt: { type: "boolean", description: "print what a plain MQTT client needs, too" },
    hours: { type: "string", description: "how long the MQTT password is good (24)" },
  },
  async run({ values, positionals, env, json, out }) {
    const moduleId = stringOption(values, "module");
    const deviceId =
      moduleId !== undefined && positionals.length === 0
        ? undefined
        : onlyPositional(positionals, "<device>", this.usage);
    const hours = wholeNumber(values, "hours", LOGIN_HOURS_MAX) ?? LOGIN_HOURS_DEFAULT;
    const { createManagementClient } = await import("../../host/index.ts");
    const client = createManagementClient(gatewayDir(values, env));
    const device = await client.addDevice({
      ...(deviceId === undefined ? {} : { deviceId }),
      ...(moduleId === undefined ? {} : { moduleId }),
    });
    if (values["mqtt"] !== true) {
      out(json ? JSON.stringify(device) : device.connectionString);
      return 0;
    }
    const { mqttLogin } = await import("./mqtt-login.ts");
    const { hostname } = await client.status();
    const mqtt = await mqttLogin(device, hostname, Date.now() + hours * HOUR_MS);
    out(json ? JSON.stringify({ ...device, mqtt }) : describe(device, mqtt));
    return 0;
  },
};

/** For somebody who types it into an MQTT client. */
const describe = ({ connectionString }: DeviceCreated, mqtt: MqttLogin): string =>
  [
    connectionString,
    "",
    `client id  ${mqtt.clientId}`,
    `user name  ${mqtt.username}`,
    `password   ${mqtt.password}`,
    `           good until ${mqtt.expires}`,
    `topic      ${mqtt.topic}`,
  ].join("\n");

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
    const { createManagementClient } = await import("../../host/index.ts");
    const devices = await createManagementClient(gatewayDir(values, env)).devices();
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
    if (moduleId === "") throw new UsageError('option --module "": no name');
    const { createManagementClient } = await import("../../host/index.ts");
    await createManagementClient(gatewayDir(values, env)).removeDevice(deviceId, moduleId);
    const name = moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`;
    out(json ? JSON.stringify({ removed: name }) : `removed ${name}`);
    return 0;
  },
};
