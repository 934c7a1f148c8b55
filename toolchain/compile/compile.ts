/**
 * Source to artifact: compiles a module, writes its manifest into it, and holds the product to what a gateway
 * demands. The same source gives the same bytes on every machine.
 */
import path from "node:path";
import {
  ABI_MAJOR,
  CAPABILITIES,
  FEATURES_SINCE_MINOR,
  featuresOf,
  MANIFEST_SECTION,
  MEMORY_BYTES_DEFAULT,
  type ModuleManifest,
} from "../../abi/index.ts";
import { capabilitiesOf, readArtifact } from "../artifact.ts";
import { ArtifactError, CompileError, type Diagnostic } from "../errors.ts";
import { packageVersion } from "../package-root.ts";
import {
  CompilerCrash,
  loadCompiler,
  withoutExit,
  type Asc,
  type AscDiagnostic,
  type AscHost,
} from "./asc.ts";
import { moduleName, moduleVersion, readProject, type Project } from "./project.ts";
import { positionOf, type Handler, type ScannedModule } from "./scan.ts";
import { SourceFiles } from "./source-files.ts";
import { SandpiperTransform } from "./transform.ts";
import { appendCustomSection, withoutCustomSection } from "../wasm-sections.ts";

export interface CompileOptions {
  /** Folder with package.json and assembly/index.ts. Either this or `source`. */
  readonly projectDir?: string;
  /** The text of assembly/index.ts, for a module of one file. */
  readonly source?: string;
  /** Instead of what package.json says. With `source`, the default is `module`. */
  readonly name?: string;
  /** Instead of what package.json says. With `source`, the default is `0.0.0`. */
  readonly version?: string;
  /** False = compile fast and keep every function apart, for stepping through. Default true. */
  readonly release?: boolean;
}

export interface CompiledModule {
  readonly wasm: Uint8Array;
  /** JSON, for `<name>.wasm.map` beside the artifact. Columns are byte offsets in `wasm`. */
  readonly sourceMap: string;
  readonly manifest: ModuleManifest;
  /** Warnings: errors are thrown. */
  readonly diagnostics: readonly Diagnostic[];
}

/** @throws {CompileError} SP_COMPILE with diagnostics; SP_PROJECT; SP_COMPILER */
export async function compileModule(options: CompileOptions): Promise<CompiledModule> {
  const project = await projectOf(options);
  const files = new SourceFiles(
    options.projectDir === undefined ? null : path.resolve(options.projectDir),
    new Map(options.source === undefined ? [] : [[project.entry, options.source]]),
  );
  const asc = await loadCompiler();
  const built = await build(asc, project, files, options);
  const manifest = manifestOf(project, built.scanned, built.wasm, asc);
  const bytes = Buffer.from(JSON.stringify(manifest), "utf8");
  const wasm = appendCustomSection(built.wasm, MANIFEST_SECTION, bytes);
  await check(wasm);
  return { wasm, sourceMap: built.sourceMap, manifest, diagnostics: built.warnings };
}

async function projectOf(options: CompileOptions): Promise<Project> {
  const { projectDir, source, name, version } = options;
  const project =
    projectDir === undefined
      ? {
          name: moduleName(name ?? "module"),
          version: moduleVersion(version ?? "0.0.0"),
          entry: "assembly/index.ts",
          memoryBytesMax: MEMORY_BYTES_DEFAULT,
          flags: [],
        }
      : await readProject(projectDir);
  if (projectDir === undefined && source === undefined) {
    throw new CompileError("SP_PROJECT", "neither a project folder nor a source was given");
  }
  return {
    ...project,
    name: name === undefined ? project.name : moduleName(name),
    version: version === undefined ? project.version : moduleVersion(version),
  };
}

interface Built {
  readonly wasm: Uint8Array;
  readonly sourceMap: string;
  readonly scanned: ScannedModule;
  readonly warnings: readonly Diagnostic[];
}

async function build(
  asc: Asc,
  project: Project,
  files: SourceFiles,
  options: CompileOptions,
): Promise<Built> {
  const transform = new SandpiperTransform(asc);
  const written = new Map<string, Uint8Array | string>();
  const found: AscDiagnostic[] = [];
  const error = await runCompiler(asc, compilerArguments(project, options), {
    readFile: (name) => files.read(name),
    writeFile: (name, contents) => void written.set(name, contents),
    listFiles: () => null,
    stdout: { write: () => {} },
    stderr: { write: () => {} },
    reportDiagnostic: (diagnostic) => void found.push(diagnostic),
    transforms: [transform],
  });
  const diagnostics = [
    ...(transform.scanned?.diagnostics ?? []),
    ...found.filter(({ category }) => category >= 2).map((row) => toDiagnostic(row, files)),
  ];
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw compileError(errors);
  const wasm = written.get(OUT_FILE);
  const map = written.get(`${OUT_FILE}.map`);
  if (
    error !== null ||
    !(wasm instanceof Uint8Array) ||
    typeof map !== "string" ||
    transform.scanned === null
  ) {
    throw new CompileError("SP_COMPILER", "the compiler failed without a diagnostic", { cause: error });
  }
  return {
    wasm: withoutCustomSection(wasm, "sourceMappingURL"),
    sourceMap: sourceMapOf(map),
    scanned: transform.scanned,
    warnings: diagnostics,
  };
}

/** What the compiler failed of, if it did. */
async function runCompiler(asc: Asc, argv: readonly string[], host: AscHost): Promise<Error | null> {
  try {
    return (await withoutExit(() => asc.main(argv, host))).error;
  } catch (cause) {
    if (!(cause instanceof CompilerCrash)) throw cause;
    throw new CompileError("SP_COMPILER", "the AssemblyScript compiler crashed", {
      cause,
      hint: "leave out what was changed last, part by part; SANDPIPER_DEBUG=1 shows the compiler's own words",
    });
  }
}

const OUT_FILE = "module.wasm";

function compilerArguments(project: Project, { release = true, projectDir }: CompileOptions): string[] {
  // Names stay in: they move no code, and a stack without names helps nobody.
  const level = release ? ["--optimizeLevel=3", "--shrinkLevel=0"] : ["--optimizeLevel=0", "--shrinkLevel=0"];
  return [
    project.entry,
    // Where packages are looked for; names of files stay relative to it.
    ...(projectDir === undefined ? [] : [`--baseDir=${path.resolve(projectDir)}`]),
    "--runtime=incremental",
    "--exportStart=_initialize",
    `--outFile=${OUT_FILE}`,
    "--sourceMap",
    "--debug",
    `--maximumMemory=${project.memoryBytesMax / 65536}`,
    ...level.filter((flag) => !release || !project.flags.some((own) => own.startsWith(flag.split("=")[0]!))),
    ...(release ? project.flags : project.flags.filter((flag) => flag.startsWith("--enable"))),
  ];
}

/** Sources are named, not quoted: a gateway keeps the map, and needs lines only. */
function sourceMapOf(text: string): string {
  const {
    sourceRoot: _root,
    sourcesContent: _contents,
    ...map
  } = JSON.parse(text) as Record<string, unknown>;
  return JSON.stringify(map);
}

function toDiagnostic(row: AscDiagnostic, files: SourceFiles): Diagnostic {
  const file = row.range?.source?.normalizedPath ?? "";
  const text = files.texts.get(file);
  const position =
    row.range === null || text === undefined ? { line: 1, column: 1 } : positionOf(text, row.range.start);
  return {
    severity: row.category === 3 ? "error" : "warning",
    file,
    ...position,
    message: plain(row.message),
  };
}

/** The house form: lower case first, no full stop. */
const plain = (message: string): string =>
  (/^[A-Z][a-z]/.test(message) ? message[0]!.toLowerCase() + message.slice(1) : message).replace(/\.$/, "");

function compileError(diagnostics: readonly Diagnostic[]): CompileError {
  const count = diagnostics.length === 1 ? "" : `: ${diagnostics.length} errors`;
  return new CompileError("SP_COMPILE", `module does not compile${count}`, { diagnostics });
}

function manifestOf(project: Project, scanned: ScannedModule, wasm: Uint8Array, asc: Asc): ModuleManifest {
  const named = (wanted: Handler["kind"]): string[] =>
    scanned.handlers.filter(({ kind }) => kind === wanted).map(({ port }) => port);
  const methods = named("method");
  const imported = capabilitiesOf(wasm);
  const capabilities = CAPABILITIES.filter(
    (name) => imported.includes(name) || scanned.features.has(name as "twin"),
  );
  // A module that needs no feature runs on hosts that have none.
  const minor = featuresOf(capabilities, methods) === 0 ? 0 : FEATURES_SINCE_MINOR;
  const timers = scanned.handlers
    .filter(({ kind }) => kind === "every")
    .map(({ port, periodMs }) => ({ name: port, periodMs }));
  return {
    name: project.name,
    version: project.version,
    abi: { major: ABI_MAJOR, minor },
    inputs: named("input"),
    outputs: scanned.outputs,
    timers,
    ...(methods.length > 0 ? { methods } : {}),
    capabilities,
    memory: { maxBytes: project.memoryBytesMax },
    builtWith: `sandpiper ${packageVersion()}, assemblyscript ${asc.version}`,
  };
}

/** What a gateway would refuse is the author's to mend, and so a compile error. */
async function check(wasm: Uint8Array): Promise<void> {
  try {
    await readArtifact(wasm);
  } catch (cause) {
    if (!(cause instanceof ArtifactError)) throw cause;
    const { message, hint } = cause;
    throw new CompileError("SP_COMPILE", `module does not link: ${message.replace(/^artifact: /, "")}`, {
      cause,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
