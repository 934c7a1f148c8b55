/** The scenarios by name, as the command takes them. */
import { clockJump } from "./clock-jump.ts";
import { diskFull } from "./disk-full.ts";
import { ioError } from "./io-error.ts";
import type { Scenario } from "./scenario.ts";
import { slowConsumer, slowFlush } from "./slow-consumer.ts";
import { tornWrite } from "./torn-write.ts";

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  "clock-jump": clockJump,
  "disk-full": diskFull,
  "io-error": ioError,
  "slow-consumer": slowConsumer,
  "slow-flush": slowFlush,
  "torn-write": tornWrite,
};
