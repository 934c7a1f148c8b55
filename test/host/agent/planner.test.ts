import { expect, test } from "vitest";
import type { Capability } from "../../../abi/index.ts";
import { decodeDeployment } from "../../../host/agent/deployment.ts";
import { makePlan, startedBy, type Plan } from "../../../host/agent/planner.ts";
import type { ResolvedModule } from "../../../host/agent/resolve.ts";
import { manifest, moduleEntry } from "../../support/manifest.ts";
import { moduleManifest, moduleWasm } from "../../support/wasm.ts";

const module = new WebAssembly.Module(moduleWasm());

/** A resolved module as the agent would make it from one entry; `code` stands for the artifact's content. */
function resolved(
  name: string,
  entry: Record<string, unknown> = {},
  code = "1",
  config: unknown = {},
  capabilities: readonly Capability[] = moduleManifest().capabilities,
): ResolvedModule {
  const { modules } = decodeDeployment(manifest({ modules: { [name]: moduleEntry(entry) } }));
  const desired = modules.get(name)!;
  const { grants: granted, memoryBytesMax: _, ...limits } = desired.createOptions.sandbox;
  const manifestOf = moduleManifest({ capabilities });
  const grants = granted.filter((capability) => manifestOf.capabilities.includes(capability));
  const digest = `sha256:${code.repeat(64)}`;
  const run = {
    name,
    digest,
    module,
    manifest: manifestOf,
    grants,
    limits,
    env: desired.env,
    config,
    configVersion: 1,
    sourceMap: null,
  };
  return { desired, run };
}
const fleet = (...modules: ResolvedModule[]) => new Map(modules.map((entry) => [entry.desired.name, entry]));
const written = (plan: Plan): string[] =>
  plan.map(
    ({ startupOrder, commands }) =>
      `${startupOrder}: ${commands
        .map(
          (command) =>
            `${command.type} ${command.type === "remove" ? command.name : command.module.desired.name}`,
        )
        .join(", ")}`,
  );
const LAST = 4_294_967_295;

test.for<[string, ResolvedModule, string[]]>([
  ["nothing", resolved("m"), []],
  ["its code", resolved("m", {}, "2"), [`${LAST}: replace m`]],
  ["its configuration", resolved("m", {}, "1", { a: 1 }), [`${LAST}: replace m`]],
  ["its environment", resolved("m", { env: { A: { value: 1 } } }), [`${LAST}: replace m`]],
  ["a limit", resolved("m", { createOptions: '{"sandpiper":{"kvBytesMax":1}}' }), [`${LAST}: replace m`]],
  ["its grants", resolved("m", { createOptions: '{"sandpiper":{"grants":[]}}' }), [`${LAST}: replace m`]],
  ["its version text", resolved("m", { version: "2" }), [`${LAST}: replace m`]],
  ["its restart policy", resolved("m", { restartPolicy: "never" }), [`${LAST}: adopt m`]],
  ["its startup order", resolved("m", { startupOrder: 5 }), ["5: adopt m"]],
  ["its pull policy", resolved("m", { imagePullPolicy: "never" }), [`${LAST}: adopt m`]],
  ["the name of the same code", resolved("m", { image: "file:copy.wasm" }), [`${LAST}: adopt m`]],
  ["its status", resolved("m", { status: "stopped" }), [`${LAST}: stop m`]],
  ["status and policy", resolved("m", { status: "stopped", restartPolicy: "never" }), [`${LAST}: stop m`]],
  ["status and code", resolved("m", { status: "stopped" }, "2"), [`${LAST}: replace m`]],
])("a module of which %s changes", ([, wanted, expected]) => {
  expect(written(makePlan(fleet(wanted), fleet(resolved("m"))))).toEqual(expected);
});

test("a module that follows its twin takes over another configuration without a restart", () => {
  const twinned = (config: unknown): ResolvedModule => resolved("m", {}, "1", config, ["log", "twin"]);
  const plan = makePlan(fleet(twinned({ a: 2 })), fleet(twinned({ a: 1 })));
  expect(written(plan)).toEqual([`${LAST}: adopt m`]);
  expect(startedBy(plan)).toEqual([]);
  expect(written(makePlan(fleet(twinned({ a: 1 })), fleet(twinned({ a: 1 }))))).toEqual([]);
});

test("a stopped module that is wanted running is started in place", () => {
  expect(written(makePlan(fleet(resolved("m")), fleet(resolved("m", { status: "stopped" }))))).toEqual([
    `${LAST}: start m`,
  ]);
});

test("stages go by startup order; within one, what leaves goes first and what is new comes before the rest", () => {
  const plan = makePlan(
    fleet(
      resolved("new", { startupOrder: 2 }),
      resolved("changed", {}, "2"),
      resolved("also-new"),
      resolved("early", { startupOrder: 0 }),
    ),
    fleet(resolved("changed"), resolved("gone"), resolved("gone-too", { startupOrder: 2 })),
  );
  expect(written(plan)).toEqual([
    "0: create early",
    "2: remove gone-too, create new",
    `${LAST}: remove gone, create also-new, replace changed`,
  ]);
});

test("judged are the modules that a plan starts, and no others", () => {
  const plan = makePlan(
    fleet(
      resolved("new"),
      resolved("new-stopped", { status: "stopped" }),
      resolved("changed", {}, "2"),
      resolved("adopted", { restartPolicy: "never" }),
      resolved("started"),
      resolved("same"),
    ),
    fleet(
      resolved("changed"),
      resolved("adopted"),
      resolved("started", { status: "stopped" }),
      resolved("same"),
      resolved("gone"),
    ),
  );
  expect(startedBy(plan).toSorted()).toEqual(["changed", "new", "started"]);
});

test("a plan that was carried out leaves nothing to do", () => {
  const wanted = fleet(resolved("a"), resolved("b", { status: "stopped", startupOrder: 1 }));
  expect(makePlan(wanted, wanted)).toEqual([]);
});
