/** Every command by its name: a row each, and each loaded only when it is asked for. */
import type { Command } from "./command.ts";

export type CommandTable = Readonly<Record<string, () => Promise<Command>>>;

export const COMMANDS: CommandTable = {
  new: async () => (await import("./develop/new.ts")).newCommand,
  build: async () => (await import("./develop/build.ts")).buildCommand,
  keygen: async () => (await import("./develop/keygen.ts")).keygenCommand,
  sign: async () => (await import("./develop/sign.ts")).signCommand,
  verify: async () => (await import("./develop/verify.ts")).verifyCommand,
  inspect: async () => (await import("./develop/inspect.ts")).inspectCommand,

  demo: async () => (await import("./demo/demo.ts")).demoCommand,
  init: async () => (await import("./operate/init.ts")).initCommand,
  run: async () => (await import("./operate/run.ts")).runCommand,
  status: async () => (await import("./operate/status.ts")).statusCommand,
  apply: async () => (await import("./operate/apply.ts")).applyCommand,
  list: async () => (await import("./operate/list.ts")).listCommand,
  restart: async () => (await import("./operate/restart.ts")).restartCommand,
  logs: async () => (await import("./operate/logs.ts")).logsCommand,
  events: async () => (await import("./operate/events.ts")).eventsCommand,
  "device add": async () => (await import("./operate/device.ts")).deviceAddCommand,
  "device token": async () => (await import("./operate/device.ts")).deviceTokenCommand,
  "device list": async () => (await import("./operate/device.ts")).deviceListCommand,
  "device show": async () => (await import("./operate/device-state.ts")).deviceShowCommand,
  "device enable": async () => (await import("./operate/device-state.ts")).deviceEnableCommand,
  "device disable": async () => (await import("./operate/device-state.ts")).deviceDisableCommand,
  "device remove": async () => (await import("./operate/device.ts")).deviceRemoveCommand,
  "twin get": async () => (await import("./operate/twin.ts")).twinGetCommand,
  "twin patch": async () => (await import("./operate/twin.ts")).twinPatchCommand,
  "twin replace": async () => (await import("./operate/twin.ts")).twinReplaceCommand,
  "method invoke": async () => (await import("./operate/method.ts")).methodInvokeCommand,
  "c2d send": async () => (await import("./operate/devicebound.ts")).deviceboundSendCommand,
  "c2d list": async () => (await import("./operate/devicebound.ts")).deviceboundListCommand,
  "c2d purge": async () => (await import("./operate/devicebound.ts")).deviceboundPurgeCommand,
  "c2d feedback": async () => (await import("./operate/feedback.ts")).feedbackCommand,
  "module-identity add": async () => (await import("./operate/module-identity.ts")).moduleIdentityAddCommand,
  "module-identity list": async () =>
    (await import("./operate/module-identity.ts")).moduleIdentityListCommand,
  "module-identity env": async () =>
    (await import("./operate/module-environment.ts")).moduleIdentityEnvCommand,
  "module-identity remove": async () =>
    (await import("./operate/module-identity.ts")).moduleIdentityRemoveCommand,
  "queue list": async () => (await import("./operate/queue.ts")).queueListCommand,
  tap: async () => (await import("./operate/tap.ts")).tapCommand,
  "dlq list": async () => (await import("./operate/dead-letters.ts")).deadLetterListCommand,
  "dlq show": async () => (await import("./operate/dead-letters.ts")).deadLetterShowCommand,
  "dlq replay": async () => (await import("./operate/dead-letters.ts")).deadLetterReplayCommand,
  "dlq purge": async () => (await import("./operate/dead-letters.ts")).deadLetterPurgeCommand,
  compact: async () => (await import("./operate/compact.ts")).compactCommand,
  openapi: async () => (await import("./operate/openapi.ts")).openApiCommand,
  "store check": async () => (await import("./operate/store.ts")).storeCheckCommand,
  "store set-aside": async () => (await import("./operate/store.ts")).storeSetAsideCommand,
  "trust add": async () => (await import("./operate/trust.ts")).trustAddCommand,
  "trust list": async () => (await import("./operate/trust.ts")).trustListCommand,
  "trust remove": async () => (await import("./operate/trust.ts")).trustRemoveCommand,
};
