/** A gateway small enough to see through: identities in a map, events in a list, logs in a string. */
import { SandpiperError } from "../../../abi/index.ts";
import type { EventRecord, Identity, TwinChange, TwinView } from "../../../hub/index.ts";
import { newKeys } from "../../../hub/identity/keys.ts";
import { toIdentity } from "../../../hub/identity/identity.ts";
import { DONE } from "../fake-parts.ts";
import type { ManagementBackend } from "../../../host/management/backend.ts";

export interface FakeBackend extends ManagementBackend {
  readonly events: EventRecord[];
  readonly applied: { deployment: unknown; baseDir: string }[];
  readonly restarted: string[];
  /** Of twins. */
  readonly changes: { deviceId: string; moduleId: string | null; change: TwinChange }[];
  /** Log followers that were told to end. */
  readonly followersEnded: string[];
  readonly tapsClosed: number[];
}

export function createFakeBackend(): FakeBackend {
  const identities = new Map<string, Identity>();
  const key = (deviceId: string, moduleId?: string) => `${deviceId}/${moduleId ?? ""}`;
  const events: EventRecord[] = [];
  const applied: FakeBackend["applied"] = [];
  const restarted: string[] = [];
  const changes: FakeBackend["changes"] = [];
  const followersEnded: string[] = [];
  const tapsClosed: number[] = [];
  const unused = () => Promise.reject(new Error("the fake backend does not do this"));
  return {
    events,
    tapsClosed,
    changes,
    applied,
    followersEnded,
    restarted,
    gatewayId: "gw",
    hostname: "gw.example",
    version: "0.0.0",
    hub: {
      identities: async () => [...identities.values()],
      identity: async (deviceId, moduleId) => identities.get(key(deviceId, moduleId ?? undefined)) ?? null,
      addIdentity: async (identity) => {
        const name = key(identity.deviceId, identity.moduleId);
        if (identities.has(name)) throw new SandpiperError("SP_IDENTITY_EXISTS", `device "${name}": exists`);
        identities.set(name, toIdentity(identity));
      },
      changeIdentity: async ({ deviceId, moduleId, enabled, renew, parent }) => {
        const known = identities.get(key(deviceId, moduleId));
        if (!known) throw new SandpiperError("SP_IDENTITY_UNKNOWN", `device "${deviceId}": unknown`);
        const { parent: before, ...rest } = known;
        const after = parent === undefined ? before : (parent ?? undefined);
        const changed = {
          ...rest,
          enabled: enabled ?? known.enabled,
          ...(after === undefined ? {} : { parent: after }),
          authentication:
            renew === undefined
              ? known.authentication
              : ({ ...known.authentication, [renew]: newKeys().primaryKey } as Identity["authentication"]),
        };
        identities.set(key(deviceId, moduleId), changed);
        return changed;
      },
      twin: async (deviceId, moduleId) => twinOf(deviceId, moduleId),
      changeTwin: async (deviceId, moduleId, change) => {
        changes.push({ deviceId, moduleId, change });
        return twinOf(deviceId, moduleId);
      },
      invokeMethod: async (deviceId, moduleId, request) => {
        if (deviceId === "offline") {
          throw new SandpiperError("SP_METHOD_OFFLINE", `method: "${deviceId}" is not connected`);
        }
        return { status: 200, payload: { deviceId, moduleId, request } };
      },
      removeIdentity: async (deviceId, moduleId) => {
        if (!identities.delete(key(deviceId, moduleId))) {
          throw new SandpiperError("SP_IDENTITY_UNKNOWN", `device "${deviceId}": unknown`);
        }
      },
      sendDevicebound: unused,
      devicebound: unused,
      purgeDevicebound: unused,
      readFeedback: unused,
      readEvents: async ({
        tail,
        from = tail === undefined ? 0 : Math.max(0, events.length - tail),
        limit,
      }) => {
        const found = events.filter((event) => event.offset >= from).slice(0, limit);
        return { events: found, next: (found.at(-1)?.offset ?? from - 1) + 1, oldest: 0 };
      },
      queues: async () => [
        {
          endpoint: "$upstream",
          kind: "upstream",
          priority: 0,
          length: events.length,
          bytes: 100,
          bytesMax: 256 * 1024 * 1024,
          oldestAgeMs: null,
          inFlight: 0,
          inPerSecond: 0.25,
          outPerSecond: 0,
          overflow: "drop_oldest",
          expired: 0,
          dropped: 2,
          consumer: "log",
        },
      ],
      deadLetters: async () => ({ letters: [], next: null }),
      deadLetter: unused,
      replayDeadLetters: unused,
      purgeDeadLetters: unused,
      openTap: unused,
      readTap: unused,
      closeTap: async (tap) => void tapsClosed.push(tap),
      compact: async () => ({ beforeBytes: 2048, afterBytes: 1024, tookMs: 12 }),
    },
    status: async () => {
      throw new TypeError("a bug");
    },
    activity: async ({ from }) => {
      const record = { number: 0, at: new Date(0).toISOString(), subject: "filter", text: "running" };
      return { records: from === 0 ? [{ ...record, kind: "module" }] : [], next: 1, oldest: 0 };
    },
    modules: async () => [],
    reported: async () => ({ lastDesiredStatus: { code: 200, description: "" } }),
    apply: async (deployment, baseDir) => {
      applied.push({ deployment, baseDir });
      return DONE;
    },
    environment: async (module) => {
      if (module !== "reader")
        throw new SandpiperError("SP_IDENTITY_UNKNOWN", `identity "${module}": unknown`);
      return ENVIRONMENT;
    },
    restart: async (module) => {
      if (module !== "filter") throw new SandpiperError("SP_MODULE_UNKNOWN", `module "${module}": unknown`);
      restarted.push(module);
    },
    readLog: async (module, { lines, follow, signal }) => {
      if (module !== "filter") throw new SandpiperError("SP_MODULE_UNKNOWN", `module "${module}": unknown`);
      async function* read() {
        for (let i = 0; i < lines; i++) yield `line ${i}`;
        if (!follow) return;
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        followersEnded.push(module);
      }
      return read();
    },
  };
}

const ENVIRONMENT = {
  variables: {
    IOTEDGE_WORKLOADURI: "unix:///run/sp/workload.sock",
    IOTEDGE_MODULEID: "it's $reader",
  },
  socketFolder: "/run/sp",
  socketName: "workload.sock",
  socketFault: null,
} as const;

const twinOf = (deviceId: string, moduleId: string | null): TwinView => ({
  deviceId,
  moduleId,
  etag: "MQ==",
  version: 1,
  tags: { site: "north" },
  properties: { desired: { period: 5, $version: 2 }, reported: { $version: 1 } },
});

export function textEvent(offset: number, body: string): EventRecord {
  return {
    offset,
    enqueuedTime: new Date(1_700_000_000_000 + offset).toISOString(),
    deviceId: "gw",
    moduleId: "filter",
    output: "alerts",
    uid: "0".repeat(32),
    systemProperties: [],
    properties: [{ id: 0, name: "level", type: 1, value: "high" }],
    body: Buffer.from(body),
  };
}
