/** Where this package lies: files that ship beside the code (the module SDK, the stock modules, the template). */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The sources run from `toolchain/`, the build from `dist/toolchain/`. */
function findRoot(): string {
  const here = path.dirname(fileURLToPath(import.meta.url));
  const candidates = [path.join(here, ".."), path.join(here, "..", "..")];
  return candidates.find((folder) => existsSync(path.join(folder, "modules-as"))) ?? candidates[0]!;
}

const root = findRoot();

export const SDK_DIR = path.join(root, "modules-as", "sdk");
export const STOCK_DIR = path.join(root, "modules-as", "stock");
export const TEMPLATE_DIR = path.join(root, "modules-as", "template");

export function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as { version: string };
  return manifest.version;
}
