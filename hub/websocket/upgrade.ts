/** Which head a request to speak another protocol is for: a pure decision over what the client has sent. */
import type { IncomingHttpHeaders } from "node:http";

export type HeadName = "mqtt" | "amqp";

export type UpgradeVerdict =
  | { readonly ok: true; readonly head: HeadName; /** As the client spells it. */ readonly protocol: string }
  | { readonly ok: false; readonly status: 400 | 404; readonly why: string };

/** As IoT Hub has it; clients send it with and without a query, and some escape the dollar sign. */
const PATHS: ReadonlySet<string> = new Set(["/$iothub/websocket", "/%24iothub/websocket"]);

const HEADS: ReadonlyMap<string, HeadName> = new Map([
  ["mqtt", "mqtt"],
  ["amqpwsb10", "amqp"],
]);

export const pathOf = (url: string): string => url.split("?", 1)[0]!;

export function decideUpgrade(url: string, headers: IncomingHttpHeaders): UpgradeVerdict {
  if (!PATHS.has(pathOf(url))) return { ok: false, status: 404, why: "no such path" };
  if (headers.upgrade?.toLowerCase() !== "websocket") return { ok: false, status: 400, why: "no WebSocket" };
  const offered = headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim()) ?? [];
  for (const protocol of offered) {
    const head = HEADS.get(protocol.toLowerCase());
    if (head !== undefined) return { ok: true, head, protocol };
  }
  return { ok: false, status: 400, why: "subprotocol is neither mqtt nor AMQPWSB10" };
}
