/**
 * What the agent must know to boot without network and without the journal (A26): `deployment.json`, the last
 * that was asked for and what came of it, and `last-good.json`, the last that became healthy. Private, whole or
 * absent, and with a checksum: a file that rotted is an absent one with a reason.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { readBounded } from "../artifacts/bounded-read.ts";
import { writeDurable } from "../artifacts/durable-file.ts";
import { DEPLOYMENT_BYTES_MAX } from "./envelope.ts";
import { AgentError } from "./errors.ts";
import type { ModuleConfig } from "./resolve.ts";

/** A deployment as it can be brought about again, byte for byte. */
export interface DeploymentRecord {
  readonly version: number;
  readonly savedAt: string;
  readonly baseDir: string;
  /** The manifest as it was given. */
  readonly json: unknown;
  readonly digests: readonly (readonly [name: string, digest: string])[];
  readonly configs: readonly (readonly [name: string, config: ModuleConfig])[];
}

export interface DesiredRecord extends DeploymentRecord {
  /** Times it was begun; see `APPLY_ATTEMPTS_MAX`. */
  readonly attempts: number;
  /** `null` = the gateway went down before it was settled. `runs`: it was left running, good or not. */
  readonly outcome: { readonly code: number; readonly description: string; readonly runs: boolean } | null;
}

/** Nothing there is `null`; nothing usable there is `damaged` with the reason. */
export interface Loaded<T> {
  readonly record: T | null;
  readonly damaged: string | null;
}

export interface DeploymentFiles {
  loadDesired(): Promise<Loaded<DesiredRecord>>;
  loadLastGood(): Promise<Loaded<DeploymentRecord>>;
  /** @throws {AgentError} SP_AGENT_STORE */
  saveDesired(record: DesiredRecord): Promise<void>;
  /** @throws {AgentError} SP_AGENT_STORE */
  saveLastGood(record: DeploymentRecord): Promise<void>;
}

const FORMAT = 1;
/** The manifest, its configurations once more, and what is around them. */
const FILE_BYTES_MAX = 4 * DEPLOYMENT_BYTES_MAX;

export function openDeploymentFiles(dir: string): DeploymentFiles {
  const desired = join(dir, "deployment.json");
  const lastGood = join(dir, "last-good.json");
  return {
    loadDesired: () => load<DesiredRecord>(desired),
    loadLastGood: () => load<DeploymentRecord>(lastGood),
    saveDesired: (record) => save(desired, record),
    saveLastGood: (record) => save(lastGood, record),
  };
}

const checksum = (record: unknown): string =>
  createHash("sha256").update(JSON.stringify(record)).digest("hex");

async function save(path: string, record: DeploymentRecord): Promise<void> {
  const text = JSON.stringify({ format: FORMAT, sha256: checksum(record), record });
  try {
    await writeDurable(path, `${text}\n`);
  } catch (cause) {
    throw new AgentError("SP_AGENT_STORE", `deployment file "${path}": ${(cause as Error).message}`, {
      hint: "the gateway's folder must be writable and its disk not full",
      details: { file: path },
      cause,
    });
  }
}

async function load<T extends DeploymentRecord>(path: string): Promise<Loaded<T>> {
  const damaged = (why: string): Loaded<T> => ({ record: null, damaged: `"${path}": ${why}` });
  try {
    const read = await readBounded(path, FILE_BYTES_MAX);
    if (read.kind === "absent") return { record: null, damaged: null };
    if (read.kind !== "file") return damaged(read.kind);
    const { format, sha256, record } = JSON.parse(read.bytes.toString("utf8")) as Record<string, unknown>;
    if (format !== FORMAT) return damaged(`format ${JSON.stringify(format)}, expected ${FORMAT}`);
    if (typeof record !== "object" || record === null || sha256 !== checksum(record)) {
      return damaged("its checksum does not match");
    }
    // Whatever bears its own checksum was written by `save`.
    return { record: record as T, damaged: null };
  } catch (error) {
    return damaged(error instanceof SyntaxError ? "not JSON" : (error as Error).message);
  }
}
