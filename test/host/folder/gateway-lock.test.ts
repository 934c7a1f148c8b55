import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lockGateway } from "../../../host/folder/gateway-lock.ts";

let run: string;
beforeEach(async () => {
  run = await mkdtemp(join(tmpdir(), "sp-lock-"));
});
afterEach(() => rm(run, { recursive: true }));

/** Another process that listens on `file` until it is killed, leaving the socket file behind. */
async function holdElsewhere(file: string) {
  const script = `require("net").createServer().listen(process.argv[1], () => console.log("up"))`;
  const child = spawn(process.execPath, ["-e", script, file], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return async () => {
    child.kill("SIGKILL");
    await once(child, "exit");
  };
}

test("a folder is locked once, and again after its release", async () => {
  const lock = await lockGateway(run);
  await expect(lockGateway(run)).rejects.toMatchObject({ code: "SP_GATEWAY_RUNNING" });
  await lock.release();
  await (await lockGateway(run)).release();
});

test("a lock whose holder was killed is taken over", async () => {
  const kill = await holdElsewhere(join(run, "lock.7"));
  await expect(lockGateway(run)).rejects.toMatchObject({ code: "SP_GATEWAY_RUNNING" });
  await kill();
  const lock = await lockGateway(run);
  expect(await readdir(run)).toEqual(["lock.8"]);
  await lock.release();
});

test("of many that find a dead lock at the same time, exactly one gets it", async () => {
  await (
    await holdElsewhere(join(run, "lock.1"))
  )();
  for (let round = 0; round < 20; round++) {
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockGateway(run)));
    const won = tries.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(won).toHaveLength(1);
    await won[0]!.release();
  }
});

test("a folder that a backup left out is made", async () => {
  await rm(run, { recursive: true });
  const lock = await lockGateway(run);
  await expect(lockGateway(run)).rejects.toMatchObject({ code: "SP_GATEWAY_RUNNING" });
  await lock.release();
});

test("a folder with a path too long for a socket is locked all the same", async () => {
  const deep = join(run, "d".repeat(120), "run");
  await mkdir(deep, { recursive: true });
  const lock = await lockGateway(deep);
  await expect(lockGateway(deep)).rejects.toMatchObject({ code: "SP_GATEWAY_RUNNING" });
  await lock.release();
});
