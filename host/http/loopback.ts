/**
 * A server on a port of the loopback. Every process of the machine can connect there, and every page in a browser can
 * try to: so a request is heard only with a token, and only under a name of the loopback, since a page elsewhere may
 * have its own name lead here (DNS rebinding). Nothing is said of origins (CORS): no page has anything to ask.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { SandpiperError } from "../../abi/index.ts";
import { GatewayError } from "../errors.ts";
import type { Log } from "../log.ts";
import { sparsely } from "./sparse-log.ts";

/** How long a wrong token waits for its answer, with its connection: fewer tries, ms. */
const REFUSAL_DELAY_MS = 1_000;
const LOOPBACK_NAME = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;

/** @throws {SandpiperError} SP_REQUEST_HOST: not a name of the loopback */
export function checkHost(host: string): void {
  if (LOOPBACK_NAME.test(host)) return;
  throw new SandpiperError("SP_REQUEST_HOST", "request: is for a host that is not the loopback", {
    hint: "ask for 127.0.0.1, [::1] or localhost",
  });
}

export interface TokenGate {
  /** @throws {SandpiperError} SP_REQUEST_HOST, SP_REQUEST_TOKEN */
  admit(request: Pick<IncomingMessage, "headers">): Promise<void>;
}

export function createTokenGate(options: {
  readonly token: string;
  readonly log: Log;
  readonly delayMs?: number;
}): TokenGate {
  const { token, log, delayMs = REFUSAL_DELAY_MS } = options;
  const wanted = digest(token);
  const note = sparsely<void>((refused) =>
    log.warn({ refused }, "management port: somebody has no token, or a wrong one"),
  );
  return {
    async admit({ headers: { host = "", authorization = "" } }) {
      checkHost(host);
      const shown = /^Bearer (\S+)$/i.exec(authorization)?.[1];
      if (shown !== undefined && timingSafeEqual(digest(shown), wanted)) return;
      note();
      await pause(delayMs, undefined, { ref: false });
      throw new SandpiperError("SP_REQUEST_TOKEN", "request: has no token, or a wrong one", {
        hint: "show what is in management.token of the gateway's folder: authorization: Bearer <token>",
      });
    },
  };
}

/** Of one length, whatever is shown. */
const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

export interface ListeningPort {
  readonly url: string;
  /** Stops listening, ends open requests. */
  close(): Promise<void>;
}

/** `address`: as in gateway.json, `127.0.0.1:8088`; port 0 is any free one. @throws {GatewayError} SP_MANAGEMENT_LISTEN */
export async function listenOnLoopback(server: Server, address: string): Promise<ListeningPort> {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon);
  await new Promise<void>((resolve, reject) => {
    server
      .on("error", reject) // afterwards it is a connection that could not be accepted
      .listen({ host: host.replaceAll(/[[\]]/g, ""), port: Number(address.slice(colon + 1)) }, resolve);
  }).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GatewayError("SP_MANAGEMENT_LISTEN", `management port "${address}": ${reason}`, {
      hint: "choose another one: management.listen in gateway.json",
      details: { address },
      cause,
    });
  });
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
