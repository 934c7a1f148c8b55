/** `sandpiper device show|enable|disable`: what a device is, and whether it may connect for now. */
import type { DeviceDetail } from "../../host/index.ts";
import type { Command } from "../command.ts";
import { onlyPositional, stringOption } from "../develop/arguments.ts";
import { gatewayClient } from "./gateway-client.ts";
import { DIR_OPTION } from "./gateway-dir.ts";

const PROOFS: Readonly<Record<DeviceDetail["authentication"], string>> = {
  sas: "keys",
  selfSigned: "a certificate that is pinned",
  certificateAuthority: "a certificate of a device authority",
};

export const deviceShowCommand: Command = {
  name: "device show",
  group: "operate",
  summary: "print what a device is; never its keys",
  usage: "sandpiper device show <device> [--dir <folder>] [--json]",
  example: "sandpiper device show thermo1",
  options: DIR_OPTION,
  async run({ values, positionals, env, json, out }) {
    const deviceId = onlyPositional(positionals, "<device>", this.usage);
    const device = await (await gatewayClient(values, env)).device(deviceId);
    out(json ? JSON.stringify(device) : describe(device));
    return 0;
  },
};

const describe = (device: DeviceDetail): string =>
  [
    `device      ${device.deviceId}`,
    `enabled     ${device.enabled ? "yes" : "no"}`,
    `proves it   by ${PROOFS[device.authentication]}`,
    ...device.thumbprints.map((thumbprint) => `            ${thumbprint}`),
    `generation  ${device.generationId}`,
    `parent      ${device.parent ?? "-"}`,
    `children    ${device.children.join(", ") || "-"}`,
    `modules     ${device.modules.join(", ") || "-"}`,
  ].join("\n");

const command = (verb: "enable" | "disable", summary: string): Command => ({
  name: `device ${verb}`,
  group: "operate",
  summary,
  usage: `sandpiper device ${verb} <device> [--module <name>] [--dir <folder>]`,
  example: `sandpiper device ${verb} thermo1`,
  options: { ...DIR_OPTION, module: { type: "string", description: "this module of it only" } },
  async run({ values, positionals, env, json, out }) {
    const deviceId = onlyPositional(positionals, "<device>", this.usage);
    const moduleId = stringOption(values, "module");
    await (await gatewayClient(values, env)).setEnabled(verb === "enable", deviceId, moduleId);
    const name = moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`;
    out(json ? JSON.stringify({ [`${verb}d`]: name }) : `${verb}d ${name}`);
    return 0;
  },
});

export const deviceEnableCommand = command("enable", "let a device that was disabled connect again");
export const deviceDisableCommand = command(
  "disable",
  "refuse a device, and its modules, until it is enabled; closes its connection",
);
