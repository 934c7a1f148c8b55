/**
 * How a command reaches a gateway: by the socket in its folder, or by its management port. And what a failure on the
 * way means.
 */
import { existsSync, readFileSync } from "node:fs";
import type { RequestOptions } from "node:http";
import { GatewayError } from "../errors.ts";
import { gatewayPaths, type GatewayPaths } from "../folder/gateway-folder.ts";
import { socketPath } from "../folder/socket-path.ts";

export interface ManagementPort {
  /** `http://127.0.0.1:8088` */
  readonly url: string;
  /** The gateway's `management.token`, or a copy. */
  readonly tokenFile: string;
}

export interface WayToGateway {
  /** For one request. `release` when its answer has begun. */
  open(): {
    readonly options: RequestOptions;
    readonly headers: Readonly<Record<string, string>>;
    release(): void;
  };
  /** The connection was refused, or ended before there was an answer. */
  explain(cause: unknown): GatewayError;
}

export function bySocket(dir: string): WayToGateway {
  const paths = gatewayPaths(dir);
  return {
    open() {
      const short = socketPath(paths.socket);
      return { options: { socketPath: short.path }, headers: {}, release: () => short.release() };
    },
    explain: (cause) => notRunning(paths, cause),
  };
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** @throws {GatewayError} SP_GATEWAY_URL: the token would be sent in the clear over a network */
export function byPort({ url, tokenFile }: ManagementPort): WayToGateway {
  const target = URL.canParse(url) ? new URL(url) : null;
  if (target === null || target.protocol !== "http:" || !LOOPBACK.test(target.hostname)) {
    throw new GatewayError("SP_GATEWAY_URL", `management port "${url}": is none`, {
      hint: "it is on this machine: http://127.0.0.1:<port>; another one is reached by an SSH tunnel",
      details: { url },
    });
  }
  const { hostname, port } = target;
  return {
    open() {
      const headers = { authorization: `Bearer ${readToken(tokenFile)}` };
      return { options: { hostname: hostname.replaceAll(/[[\]]/g, ""), port }, headers, release() {} };
    },
    explain: (cause) =>
      new GatewayError("SP_GATEWAY_NOT_RUNNING", `gateway at ${url}: does not answer`, {
        hint: "is it running, with management.listen in its gateway.json?",
        details: { url },
        cause,
      }),
  };
}

function readToken(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw new GatewayError("SP_GATEWAY_DENIED", `token in "${file}": ${(cause as Error).message}`, {
      hint: "SANDPIPER_TOKEN_FILE names a copy of the gateway's management.token that you may read",
      details: { file },
      cause,
    });
  }
}

function notRunning(paths: GatewayPaths, cause: unknown): GatewayError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  const details = { dir: paths.dir };
  if (code === "EACCES") {
    return new GatewayError("SP_GATEWAY_DENIED", `gateway in "${paths.dir}": belongs to another user`, {
      hint: "run this as the user that the gateway runs as, for example with sudo -u",
      details,
      cause,
    });
  }
  if (code === "ECONNRESET" || code === "EPIPE") {
    return new GatewayError("SP_GATEWAY_NOT_RUNNING", `gateway in "${paths.dir}": stopped while answering`, {
      hint: "its log says why",
      details,
      cause,
    });
  }
  const made = existsSync(paths.config);
  return new GatewayError(
    "SP_GATEWAY_NOT_RUNNING",
    made ? `gateway in "${paths.dir}": is not running` : `gateway in "${paths.dir}": there is none`,
    {
      hint: made
        ? `start it with: sandpiper run --dir ${paths.dir}`
        : "name its folder with --dir or SANDPIPER_DIR, or make one with: sandpiper init",
      details,
      cause,
    },
  );
}
