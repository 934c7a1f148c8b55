import { expect, test } from "vitest";
import { decodeDeployment } from "../../../host/agent/deployment.ts";
import { reportedProperties, type AgentFacts } from "../../../host/agent/reported.ts";
import type { ModuleStatus } from "../../../host/supervisor/supervisor.ts";
import { manifest, moduleEntry } from "../../support/manifest.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const AT = Date.UTC(2026, 0, 2, 3, 4, 5);
const status: ModuleStatus = {
  status: "backoff",
  description: "starts again in 20 s: trap: it broke",
  restarts: 1,
  startedAtMs: AT,
  runningForMs: null,
  exitedAtMs: AT + 1000,
  restartedAtMs: null,
  exitCode: 1,
  lastFault: { kind: "trap", message: "it broke", atMs: AT + 1000 },
  faults: { pinned: 3, unpinned: 2, recovered: 1 },
};
const createOptions = JSON.stringify({ sandpiper: { grants: ["log"] } }).padEnd(600);
const deployment = decodeDeployment(
  manifest({
    modules: {
      thermo: moduleEntry({ createOptions, env: { UNIT: { value: 1 } }, version: "1.2", startupOrder: 7 }),
    },
    agent: {
      runtime: {
        type: "docker",
        settings: {
          minDockerVersion: "v1.25",
          registryCredentials: { r: { address: "a.example", username: "u", password: "s3cret" } },
        },
      },
    },
  }),
);
const facts: AgentFacts = {
  version: { version: "1.0.0", build: "12", commit: "abc" },
  isStopped: false,
  startedAtMs: AT,
  lastDesiredVersion: 4,
  lastDesiredStatus: { code: 200, description: "" },
  deployment,
  modules: [{ desired: deployment.modules.get("thermo")!, digest: DIGEST, status, failure: null }],
};

test("the layout is the contract's, with our own fields beside it", () => {
  const reported = reportedProperties(facts);
  expect(Object.keys(reported)).toEqual([
    "schemaVersion",
    "version",
    "lastDesiredVersion",
    "lastDesiredStatus",
    "runtime",
    "systemModules",
    "modules",
  ]);
  expect(reported).toMatchObject({
    schemaVersion: "1.0",
    version: { version: "1.0.0", build: "12", commit: "abc" },
    lastDesiredVersion: 4,
    lastDesiredStatus: { code: 200, description: "" },
    runtime: { type: "docker", platform: { os: "linux" } },
  });
  expect(reported["modules"]).toEqual({
    thermo: {
      type: "docker",
      status: "running",
      restartPolicy: "always",
      imagePullPolicy: "on-create",
      startupOrder: 7,
      version: "1.2",
      settings: {
        image: "file:thermo.wasm",
        imageHash: DIGEST,
        createOptions: '{"sandpiper":{"grants":["log"]}}',
      },
      env: { UNIT: { value: "1" } },
      runtimeStatus: "backoff",
      exitCode: 1,
      statusDescription: "starts again in 20 s: trap: it broke",
      lastStartTimeUtc: "2026-01-02T03:04:05.000Z",
      lastExitTimeUtc: "2026-01-02T03:04:06.000Z",
      restartCount: 1,
      lastRestartTimeUtc: "0001-01-01T00:00:00Z",
      digest: DIGEST,
      faults: {
        pinned: 3,
        unpinned: 2,
        recovered: 1,
        last: { kind: "trap", message: "it broke", timeUtc: "2026-01-02T03:04:06.000Z" },
      },
    },
  });
});

test("system modules have the fields the contract gives each of them", () => {
  const { edgeAgent, edgeHub } = reportedProperties(facts)["systemModules"] as Record<string, object>;
  const common = [
    "env",
    "exitCode",
    "imagePullPolicy",
    "lastExitTimeUtc",
    "lastStartTimeUtc",
    "runtimeStatus",
    "settings",
    "startupOrder",
    "statusDescription",
    "type",
  ];
  expect(Object.keys(edgeAgent!).toSorted()).toEqual(common);
  expect(Object.keys(edgeHub!).toSorted()).toEqual(
    [...common, "status", "restartPolicy", "restartCount", "lastRestartTimeUtc"].toSorted(),
  );
  expect(edgeHub).toMatchObject({ settings: { image: "mcr.microsoft.com/azureiotedge-hub:1.5" } });
});

test("no password is reported", () => {
  const text = JSON.stringify(reportedProperties(facts));
  expect(text).not.toContain("s3cret");
  expect(text).toContain('"address":"a.example"');
});

test("create options are cut into chunks of 512 characters", () => {
  const grants = { sandpiper: { grants: ["log", "clock", "random", "kv"], memoryBytesMax: 65_536 } };
  const text = JSON.stringify(grants);
  const module = facts.modules[0]!;
  const long = {
    ...module,
    desired: { ...module.desired, createOptions: { ...module.desired.createOptions, text: text.repeat(20) } },
  };
  const { settings } = (
    reportedProperties({ ...facts, modules: [long] })["modules"] as Record<
      string,
      { settings: Record<string, string> }
    >
  )["thermo"]!;
  const chunks = Object.keys(settings).filter((key) => key.startsWith("createOptions"));
  expect(chunks).toEqual(["createOptions", "createOptions01", "createOptions02", "createOptions03"]);
  expect(chunks.map((key) => settings[key]).join("")).toBe(text.repeat(20));
  expect(Math.max(...chunks.map((key) => settings[key]!.length))).toBe(512);
});

test("a stopped agent reports 406 and knows nothing of its modules", () => {
  expect(reportedProperties({ ...facts, isStopped: true })).toMatchObject({
    lastDesiredStatus: { code: 406, description: "Agent is not running" },
    systemModules: { edgeAgent: { runtimeStatus: "unknown" }, edgeHub: { runtimeStatus: "unknown" } },
    modules: { thermo: { runtimeStatus: "unknown" } },
  });
});

test("a fresh gateway reports itself without a deployment", () => {
  const fresh = {
    ...facts,
    deployment: null,
    modules: [],
    lastDesiredStatus: { code: 417, description: "no deployment yet" },
  };
  expect(reportedProperties(fresh)).toMatchObject({ lastDesiredStatus: { code: 417 }, modules: {} });
});
