/**
 * A module's project: a folder with `package.json` (name, version), `asconfig.json` (what the compiler is told)
 * and the source. Options that we do not know are refused by name: a build must not differ from what its
 * author wrote in silence.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { MEMORY_BYTES_DEFAULT, MEMORY_BYTES_MAX, NAME_BYTES_MAX } from "../../abi/index.ts";
import { CompileError } from "../errors.ts";

const PAGE_BYTES = 65536;
const DEFAULT_ENTRY = "assembly/index.ts";
const PROJECT_FILE_BYTES_MAX = 1024 * 1024;

export interface Project {
  readonly name: string;
  readonly version: string;
  /** Relative to the project's folder. */
  readonly entry: string;
  readonly memoryBytesMax: number;
  /** Further flags for the compiler, as they stand in asconfig.json. */
  readonly flags: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

/** @throws {CompileError} SP_PROJECT */
export async function readProject(folder: string): Promise<Project> {
  const manifest = await readJson(folder, "package.json");
  if (manifest === null) {
    throw projectError(
      `package.json: not found in "${folder}"`,
      "make a project with: sandpiper new <folder>",
    );
  }
  const config = (await readJson(folder, "asconfig.json")) ?? {};
  const { entries = [DEFAULT_ENTRY], options = {}, ...others } = config;
  refuseUnknown("asconfig.json", others);
  if (!Array.isArray(entries) || entries.length !== 1 || typeof entries[0] !== "string") {
    throw projectError("asconfig.json: entries is not a list of one file", `"entries": ["${DEFAULT_ENTRY}"]`);
  }
  const { maximumMemory, ...flags } = asObject("asconfig.json: options", options);
  return {
    name: moduleName(manifest["name"]),
    version: moduleVersion(manifest["version"]),
    entry: path.posix.normalize(entries[0].replaceAll("\\", "/")),
    memoryBytesMax: memoryBytes(maximumMemory),
    flags: compilerFlags(flags),
  };
}

export function moduleName(name: unknown): string {
  const bare = typeof name === "string" ? name.replace(/^@[^/]*\//, "") : "";
  if (/^[A-Za-z0-9_-]+$/.test(bare) && bare.length <= NAME_BYTES_MAX) return bare;
  throw projectError(
    `package.json: name ${JSON.stringify(name)} cannot name a module`,
    `use letters, digits, _ and -, at most ${NAME_BYTES_MAX}; a scope in front is left out`,
  );
}

export function moduleVersion(version: unknown): string {
  if (typeof version === "string" && version.length > 0 && version.length <= 64) return version;
  throw projectError(
    `package.json: version ${JSON.stringify(version)} is not a version`,
    'for example "1.0.0"',
  );
}

/** `pages` of 64 KB, as the compiler counts. */
function memoryBytes(pages: unknown): number {
  if (pages === undefined) return MEMORY_BYTES_DEFAULT;
  const most = MEMORY_BYTES_MAX / PAGE_BYTES;
  if (Number.isInteger(pages) && Number(pages) >= 1 && Number(pages) <= most)
    return Number(pages) * PAGE_BYTES;
  throw projectError(
    `asconfig.json: options.maximumMemory is ${JSON.stringify(pages)}`,
    `give pages of 64 KB, 1 to ${most}`,
  );
}

const FLAGS: Readonly<Record<string, (value: unknown) => string | null>> = {
  optimizeLevel: (value) => (isLevel(value, 3) ? `--optimizeLevel=${value}` : null),
  shrinkLevel: (value) => (isLevel(value, 2) ? `--shrinkLevel=${value}` : null),
  converge: (value) => (typeof value === "boolean" ? (value ? "--converge" : "") : null),
  enable: (value) =>
    Array.isArray(value) && value.every((feature) => feature === "simd" || feature === "relaxed-simd")
      ? `--enable=${value.join(",")}`
      : null,
};

const isLevel = (value: unknown, most: number): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= most;

function compilerFlags(options: Json): string[] {
  const unknown = Object.entries(options).filter(([name]) => !Object.hasOwn(FLAGS, name));
  refuseUnknown("asconfig.json: options", Object.fromEntries(unknown));
  return Object.entries(options).flatMap(([name, value]) => {
    const flag = FLAGS[name]!(value);
    if (flag === null) throw projectError(`asconfig.json: options.${name} is ${JSON.stringify(value)}`);
    return flag === "" ? [] : [flag];
  });
}

function refuseUnknown(where: string, others: Json): void {
  const names = Object.keys(others);
  if (names.length === 0) return;
  const known = ["entries", "options.maximumMemory", ...Object.keys(FLAGS).map((name) => `options.${name}`)];
  throw projectError(`${where}: "${names[0]}" is not supported`, `supported: ${known.join(", ")}`);
}

async function readJson(folder: string, file: string): Promise<Json | null> {
  let text: string;
  try {
    text = await readFile(path.join(folder, file), "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new CompileError("SP_PROJECT", `${file}: cannot be read`, { cause });
  }
  if (text.length > PROJECT_FILE_BYTES_MAX) throw projectError(`${file}: larger than 1 MB`);
  try {
    return asObject(file, JSON.parse(text));
  } catch (cause) {
    if (cause instanceof CompileError) throw cause;
    throw new CompileError("SP_PROJECT", `${file}: not JSON`, { cause, hint: (cause as Error).message });
  }
}

function asObject(what: string, value: unknown): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw projectError(`${what}: not an object`);
}

const projectError = (message: string, hint?: string): CompileError =>
  new CompileError("SP_PROJECT", message, hint === undefined ? {} : { hint });
