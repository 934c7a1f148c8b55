/**
 * The C programs of the bench, compiled when they are first needed and again when their source is newer.
 * Nothing is installed: the binaries lie in `.build/` beside the source, out of version control.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { BenchError } from "./bench-error.ts";

const COMPILERS = ["cc", "gcc", "clang"];
const FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra"];

/** The folder of package.json: this file runs from the source tree and from dist/. */
export const projectDir = findProject(import.meta.dirname);
const sourceDir = join(projectDir, "test", "bench");
export const buildDir = join(sourceDir, ".build");

function findProject(from: string): string {
  return existsSync(join(from, "package.json")) ? from : findProject(dirname(from));
}

/** `$CC` or the first of the usual names that answers; null when there is none. */
export function findCompiler(env: NodeJS.ProcessEnv = process.env): string | null {
  const names = env["CC"] === undefined ? COMPILERS : [env["CC"]];
  return names.find((name) => spawnSync(name, ["--version"]).status === 0) ?? null;
}

/**
 * Path of the executable made of `<program>.c` and `load/*.c`.
 * @throws {BenchError} SP_BENCH_COMPILER, SP_BENCH_COMPILE
 */
export function compiled(program: "load" | "echo" | "seglog"): string {
  const parts = readdirSync(join(sourceDir, "load")).map((name) => join(sourceDir, "load", name));
  const source = join(sourceDir, `${program}.c`);
  const binary = join(buildDir, program);
  const newest = Math.max(...[source, ...parts].map((path) => statSync(path).mtimeMs));
  if (existsSync(binary) && statSync(binary).mtimeMs >= newest) return binary;

  const compiler = findCompiler();
  if (compiler === null) {
    throw new BenchError("SP_BENCH_COMPILER", `C compiler: none of ${COMPILERS.join(", ")} found`, {
      hint: "install one (Debian: apt-get install gcc libc6-dev), or name yours in CC",
    });
  }
  mkdirSync(buildDir, { recursive: true });
  // Renamed into place: two test files may compile at once.
  const unfinished = `${binary}.${process.pid}`;
  const sources = [source, ...parts.filter((path) => path.endsWith(".c"))];
  try {
    execFileSync(compiler, [...FLAGS, "-o", unfinished, ...sources, "-lm"], { stdio: "pipe" });
  } catch (error) {
    const { stderr } = error as { readonly stderr?: Buffer };
    throw new BenchError(
      "SP_BENCH_COMPILE",
      `${program}.c: ${compiler} refused it\n${String(stderr ?? "")}`,
      {
        cause: error,
      },
    );
  }
  renameSync(unfinished, binary);
  return binary;
}
