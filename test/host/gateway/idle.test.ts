import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { initGateway } from "../../../host/index.ts";
import { tempDir } from "../../support/temp-dir.ts";

// What is loaded stays in memory, in each thread that loads it: a box of 256 MB has better uses for it.

const ROOT = new URL("../../../", import.meta.url);
const CLI = fileURLToPath(new URL("dist/toolchain/cli.js", ROOT));
const HUB = "dist/hub/thread/thread.bundle.js";

/** Files that all threads of a gateway have loaded when it is up, as Node tells when it is asked to. */
async function loadedFiles(dir: string): Promise<readonly string[]> {
  const gateway = spawn(process.execPath, [CLI, "run", "--dir", dir], {
    env: { PATH: process.env["PATH"], NODE_DEBUG: "module,esm" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void gateway.kill("SIGKILL"));
  let log = "";
  gateway.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
  await once(gateway.stdout, "data");
  gateway.kill("SIGTERM");
  await once(gateway, "close");
  const files = [...log.matchAll(/ load "([^"]+)" for module|Storing file:\/\/(\S+) \(/g)];
  const root = fileURLToPath(ROOT);
  return [...new Set(files.map(([, common, esm]) => (common ?? esm)!.replace(root, "")))];
}

const packageOf = (file: string): string => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)![1]!;

test("an idle gateway with its default listeners has loaded its store, and no other package", async () => {
  const dir = await tempDir();
  const listeners = (["mqtt", "mqtts"] as const).map((protocol) => ({
    protocol,
    host: "127.0.0.1",
    port: 0,
  }));
  await initGateway(dir, { gatewayId: "idle", hostname: "idle", listeners });
  const loaded = await loadedFiles(dir);
  expect(loaded).toContain(HUB);
  const packages = loaded.filter((file) => file.startsWith("node_modules/"));
  // What lmdb brings along; of ajv what its validators call, not what makes them.
  const BROUGHT = ["lmdb", "msgpackr", "ordered-binary", "weak-lru-cache", "@harperfast/extended-iterable"];
  const NATIVE =
    /^(?:node-gyp-build-optional-packages|detect-libc|msgpackr-extract|@(?:lmdb|msgpackr-extract)\/.*)$/;
  const others = packages.filter(
    (file) => !BROUGHT.includes(packageOf(file)) && !NATIVE.test(packageOf(file)),
  );
  expect(others).toEqual(["node_modules/ajv/dist/runtime/ucs2length.js"]);
});
