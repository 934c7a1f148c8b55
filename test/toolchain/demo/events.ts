/** An event with these properties and nothing else to it. */
import type { EventView } from "../../../host/index.ts";

export const toEvent = (properties: Record<string, string>): EventView => ({
  offset: 0,
  enqueuedTime: "2026-01-01T00:00:00.000Z",
  deviceId: "demo",
  moduleId: "threshold-filter",
  output: "output",
  uid: "",
  systemProperties: [],
  properties: Object.entries(properties).map(([name, value]) => ({ id: 0, name, type: 1, value })),
  bodyBase64: "",
});
