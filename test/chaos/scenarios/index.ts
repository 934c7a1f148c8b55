/** The scenarios by name. */
import { clockJump } from "./clock-jump.ts";
import type { Scenario } from "./scenario.ts";
import { slowConsumer } from "./slow-consumer.ts";
import { tornWrite } from "./torn-write.ts";

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  "clock-jump": clockJump,
  "slow-consumer": slowConsumer,
  "torn-write": tornWrite,
};
