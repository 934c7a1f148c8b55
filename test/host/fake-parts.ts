/** A hub and an agent that do nothing but remember what was asked of them, and fail when told to. */
import type { Hub, HubConfig, HubThread } from "../../hub/index.ts";
import type { GatewayParts } from "../../host/gateway/gateway.ts";

export interface FakeHub extends HubThread {
  readonly configs: HubConfig[];
  /** As if the thread ended by itself. */
  fail(message: string): void;
}

/** `onStart`: throw to refuse. `journal` gets a word for each thing that happens. */
export function createFakeHub(journal: string[], onStart: () => void = () => {}): FakeHub {
  let report: (error: Error) => void = () => {};
  const configs: HubConfig[] = [];
  const hub: Partial<Hub> = {
    async start(config) {
      configs.push(config);
      onStart();
      journal.push("hub started");
      const listeners = config.listeners.map(({ protocol, host, port }) => ({
        protocol,
        host,
        port: port === 0 ? 40_000 : port,
      }));
      return { listeners, recoveryMs: 1, recovered: 0 };
    },
    identities: async () => [],
    identity: async () => null,
    status: async () => ({ state: "ok", connections: 0, counters: {}, flash: NO_FLASH, troubles: [] }),
    close: async () => void journal.push("hub closed"),
  };
  return {
    ...(hub as Hub),
    configs,
    onFailure: (callback) => void (report = callback),
    fail: (message) => report(new Error(message)),
  };
}

const NOTHING = {
  seconds: 1,
  bytes: 0,
  messages: 0,
  bytesPerSecond: 0,
  bytesPerMessage: null,
  bytesPerDay: 0,
};
export const NO_FLASH = { lastMinute: NOTHING, sinceStart: NOTHING } as const;

/** What an apply answers when all went well. */
export const DONE = { version: 1, code: 200, description: "", warnings: [], rolledBackTo: null } as const;

export function createFakeParts(journal: string[]): GatewayParts & { readonly hubs: FakeHub[] } {
  const hubs: FakeHub[] = [];
  return {
    hubs,
    createHub() {
      const hub = createFakeHub(journal);
      hubs.push(hub);
      return hub;
    },
    createAgent: async () => ({
      boot: async () => {
        journal.push("agent booted");
        return DONE;
      },
      apply: async () => DONE,
      status: () => DONE,
      reported: () => ({ lastDesiredStatus: { code: 200, description: "" } }),
      modules: () => [],
      watch: () => {},
      restartModule: () => {},
      tailLog: async () => [],
      followLog: async function* () {},
      hubRestarted: async () => void journal.push("agent told"),
      stop: async () => void journal.push("agent stopped"),
    }),
  };
}

const ignore = () => {};
export const quietLog = { debug: ignore, info: ignore, warn: ignore, error: ignore };
