/** Answers with every field filled in: what a gateway in every kind of trouble would say. */
import type { DeadLetter, DeviceboundWaiting, FeedbackPage } from "../../../hub/index.ts";
import type { GatewayStatus, ModuleView } from "../../../host/management/api.ts";
import { DONE, NO_FLASH } from "../fake-parts.ts";
import { textEvent } from "./fake-backend.ts";

const NOW = new Date(1_700_000_000_000).toISOString();

export const fullStatus: GatewayStatus = {
  gatewayId: "gw",
  hostname: "gw.example",
  version: "0.0.0",
  pid: 1,
  state: "degraded",
  startedAt: NOW,
  listeners: [{ protocol: "mqtt", host: "0.0.0.0", port: 1883 }],
  managementUrl: "http://127.0.0.1:8088",
  hub: {
    state: "full",
    connections: 2,
    counters: { received: 3 },
    flash: { ...NO_FLASH, lastMinute: { ...NO_FLASH.lastMinute, bytesPerMessage: 3.5 } },
    troubles: [{ client: "d", what: "wrong key", at: NOW, times: 2 }],
  },
  hubRestarts: 1,
  hubFailure: "EIO",
  storesSetAside: [{ path: "/s", at: NOW, reason: "damaged", bytes: 7 }],
  storeRestored: { identities: 1, routes: true },
  deployment: {
    ...DONE,
    code: 400,
    warnings: ["w"],
    rolledBackTo: 1,
    error: { code: "SP_ROUTE_SYNTAX", message: "m", hint: "h", details: { at: 1 } },
  },
  certificate: { notAfter: NOW, daysLeft: -0.5 },
};

export const module: ModuleView = {
  name: "filter",
  status: "backoff",
  description: "",
  image: "file:a.wasm",
  version: "1",
  digest: "sha256:00",
  restarts: 2,
  lastError: "trap",
  startedAt: NOW,
  inputs: ["in"],
  outputs: ["out"],
};

export const letter: DeadLetter = {
  offset: 3,
  endpoint: "a/b",
  reason: "trap",
  fault: { kind: "abort", message: "no", stack: "at x" },
  text: "said no",
  digest: null,
  priority: 0,
  attempt: 1,
  diedAt: NOW,
  message: textEvent(3, "hot"),
};

export const waiting: DeviceboundWaiting = {
  messageId: "m",
  ack: "negative",
  deliveryCount: 1,
  expiresInMs: 1.5,
  message: textEvent(0, "open"),
};

export const feedback: FeedbackPage["records"][number] = {
  offset: 0,
  originalMessageId: "m",
  enqueuedTimeUtc: NOW,
  statusCode: "DeliveryCountExceeded",
  description: "it was",
  deviceId: "d",
  deviceGenerationId: "g",
};
