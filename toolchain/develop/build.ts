/** `sandpiper build`: a project to an artifact, with its source map beside it. */
import path from "node:path";
import { CompileError, type Diagnostic } from "../errors.ts";
import type { Command } from "../command.ts";
import { optionalPositional, stringOption } from "./arguments.ts";

export const buildCommand: Command = {
  name: "build",
  group: "develop",
  summary: "compile a module to build/<name>.wasm",
  usage: "sandpiper build [--out=<file.wasm>] [--debug] [<folder>]",
  example: "sandpiper build thermostat",
  options: {
    out: { type: "string", short: "o", description: "the artifact; default <folder>/build/<name>.wasm" },
    debug: { type: "boolean", description: "compile fast, without optimising" },
  },
  async run({ values, positionals, json, out, err }) {
    const folder = optionalPositional(positionals, this.usage) ?? ".";
    const [{ compileModule }, { replaceFile, fileError }, { readSignatures }, { digestOf }, { mkdir }] =
      await Promise.all([
        import("../compile/compile.ts"),
        import("../files.ts"),
        import("../signature-file.ts"),
        import("../../abi/index.ts"),
        import("node:fs/promises"),
      ]);
    const release = values["debug"] !== true;
    const built = await compileModule({ projectDir: folder, release }).catch((error: unknown) => {
      throw error instanceof CompileError ? fromHere(error, folder) : error;
    });
    for (const diagnostic of built.diagnostics) err(formatWarning(placed(diagnostic, folder)));

    const { name, version } = built.manifest;
    const file = stringOption(values, "out") ?? path.join(folder, "build", `${name}.wasm`);
    await mkdir(path.dirname(file), { recursive: true }).catch((error: unknown) => {
      throw fileError(path.dirname(file), error);
    });
    await replaceFile(file, built.wasm);
    await replaceFile(`${file}.map`, built.sourceMap);

    const digest = digestOf(built.wasm);
    const signatures = await readSignatures(file);
    if (signatures !== null && signatures.digest !== digest) {
      err(`warning: ${file}.sig is over other bytes; sign again: sandpiper sign --key=<file> ${file}`);
    }
    if (json) out(JSON.stringify({ file, digest, bytes: built.wasm.length, manifest: built.manifest }));
    else
      out(
        `built   ${name} ${version}\nfile    ${file}\nsize    ${built.wasm.length} bytes\ndigest  ${digest}`,
      );
    return 0;
  },
};

/** Places from where the command was given, so that a terminal can open them. */
const fromHere = ({ code, message, hint, diagnostics, cause }: CompileError, folder: string): CompileError =>
  new CompileError(code, message, {
    cause,
    diagnostics: diagnostics.map((diagnostic) => placed(diagnostic, folder)),
    ...(hint === undefined ? {} : { hint }),
  });

const placed = (diagnostic: Diagnostic, folder: string): Diagnostic =>
  diagnostic.file === "" || diagnostic.file.startsWith("~lib/")
    ? diagnostic
    : { ...diagnostic, file: path.join(folder, diagnostic.file) };

const formatWarning = ({ file, line, column, message }: Diagnostic): string =>
  `warning: ${file}:${line}:${column}: ${message}`;
