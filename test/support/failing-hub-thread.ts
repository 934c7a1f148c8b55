/**
 * The hub's thread, which ends by itself when a file appears: as an I/O error would end it, but when a test
 * says so. The file is taken away, so that the next thread lives.
 */
import { existsSync, rmSync } from "node:fs";
import "../../hub/thread/thread.ts";

const LOOK_MS = 20;
const trigger = process.env["SANDPIPER_TEST_FAIL_HUB"]!;

setInterval(() => {
  if (!existsSync(trigger)) return;
  rmSync(trigger);
  throw new Error("disk: EIO, as the test wanted");
}, LOOK_MS).unref();
