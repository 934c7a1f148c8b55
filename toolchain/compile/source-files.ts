/**
 * The files that a compilation sees: the project's folder, the packages it has installed, and the SDK of this
 * release under its package name, which nothing installed can replace.
 *
 * Paths are relative to the project throughout, so that no path of this machine ends up in an artifact.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { SDK_DIR } from "../package-root.ts";
import { SDK_PACKAGE } from "./scan.ts";

const SDK_FILE = new RegExp(`(?:^|/)node_modules/${SDK_PACKAGE}/([\\w.-]+)$`);

export class SourceFiles {
  /** Text of each file that was read, by the path that diagnostics use. */
  readonly texts = new Map<string, string>();
  readonly #folder: string | null;
  readonly #memory: ReadonlyMap<string, string>;

  /** Files in `memory` come before those in `folder`; without a folder there are no others but the SDK's. */
  constructor(folder: string | null, memory: ReadonlyMap<string, string>) {
    this.#folder = folder;
    this.#memory = memory;
  }

  /** Text of a file, or null when there is none: the compiler asks for many that do not exist. */
  async read(name: string): Promise<string | null> {
    const file = name.replaceAll("\\", "/");
    if (file === "asconfig.json") return null; // Read by project.ts, with fewer liberties.
    const sdkFile = SDK_FILE.exec(file)?.[1];
    const place = this.#placeOf(file, sdkFile);
    const text = this.#memory.get(file) ?? (place === null ? null : await readIfThere(place));
    if (text !== null) this.texts.set(this.#diagnosticPath(file, sdkFile), text);
    return text;
  }

  #placeOf(file: string, sdkFile: string | undefined): string | null {
    if (sdkFile !== undefined) return path.join(SDK_DIR, sdkFile);
    return this.#folder === null ? null : path.resolve(this.#folder, file);
  }

  #diagnosticPath(file: string, sdkFile: string | undefined): string {
    if (sdkFile !== undefined) return `~lib/${SDK_PACKAGE}/${sdkFile}`;
    const packageFile = file.split(/(?:^|\/)node_modules\//).at(-1)!;
    return packageFile === file ? file : `~lib/${packageFile}`;
  }
}

async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") return null;
    throw error;
  }
}
