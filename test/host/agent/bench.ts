/** A gateway's folder, a signer it trusts, and agents on it: with fakes for hub and sandboxes, real files. */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { MANIFEST_SECTION, type ModuleManifest } from "../../../abi/index.ts";
import { createAgent, type Agent, type PartialSettings } from "../../../host/agent/index.ts";
import { fakeHub, type FakeHub } from "../../support/fake-hub.ts";
import { fakeSandboxes, type FakeSandboxes } from "../../support/fake-sandbox.ts";
import { keptLog, type Kept } from "../../support/kept-log.ts";
import { manifest, moduleEntry, type ManifestParts } from "../../support/manifest.ts";
import { signer, trustFile, writeSigned } from "../../support/signing.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { credulousAdmission, moduleWasm } from "../../support/wasm.ts";

/** Short enough for tests, long enough that a busy machine does not change an outcome. */
const SETTINGS: PartialSettings = {
  health: { healthyForMs: 10, healthyWithinMs: 400 },
  restart: { backoffMs: 60_000 },
};

export interface RunningAgent {
  readonly agent: Agent;
  readonly hub: FakeHub;
  readonly sandboxes: FakeSandboxes;
  readonly log: { readonly kept: Kept[] };
  readonly compiled: string[];
  /** Names and versions of what runs, sorted: `thermo 1.0.0`. */
  readonly running: () => string[];
  /** Ends without saying so, as a power cut does: what the agent had under way goes nowhere. */
  readonly cutPower: () => void;
}

export async function openBench() {
  const dir = await tempDir();
  const alice = signer("alice");
  await writeFile(join(dir, "trust.json"), trustFile(alice));

  /** Writes `<dir>/<file>.wasm`, signed; returns its digest. */
  const build = (file: string, parts: Partial<ModuleManifest> = {}): Promise<string> =>
    writeSigned(join(dir, `${file}.wasm`), moduleWasm({ name: file, ...parts }), alice);

  function start(settings: PartialSettings = SETTINGS): RunningAgent {
    const hub = fakeHub();
    const sandboxes = fakeSandboxes();
    const log = keptLog();
    const { admit, compiled } = credulousAdmission();
    const cut = { isCut: false };
    const agent = createAgent({
      dir,
      hub,
      startSandbox: (...args) => (cut.isCut ? new Promise(() => {}) : sandboxes.startSandbox(...args)),
      admit,
      log,
      settings,
    });
    onTestFinished(async () => {
      if (!cut.isCut) await agent.stop();
    });
    return {
      agent,
      hub,
      sandboxes,
      log,
      compiled,
      running: () =>
        agent
          .modules()
          .filter(({ status }) => status === "running")
          .map(({ name }) => `${name} ${versionOf(sandboxes.running(name)!.spec.module)}`),
      cutPower: () => {
        cut.isCut = true;
      },
    };
  }

  const deployment = (files: Readonly<Record<string, Record<string, unknown>>>, parts: ManifestParts = {}) =>
    manifest({
      ...parts,
      modules: Object.fromEntries(
        Object.entries(files).map(([name, entry]) => [
          name,
          moduleEntry({ image: `file:${name}.wasm`, ...entry }),
        ]),
      ),
    });

  return { dir, alice, build, start, deployment, remove: (file: string) => rm(join(dir, file)) };
}

function versionOf(module: WebAssembly.Module): string {
  const section = WebAssembly.Module.customSections(module, MANIFEST_SECTION)[0]!;
  return (JSON.parse(Buffer.from(section).toString()) as ModuleManifest).version;
}
