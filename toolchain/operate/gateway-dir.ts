/**
 * Which gateway a command means: `--dir`, else SANDPIPER_DIR, else `.sandpiper` here. What only asks a gateway that runs
 * can do so over its management port as well: SANDPIPER_URL, unless there is `--dir`.
 */
import { resolve } from "node:path";
import type { ManagementPort } from "../../host/index.ts";
import { UsageError } from "../errors.ts";

export const GATEWAY_DIR_DEFAULT = ".sandpiper";

export const DIR_OPTION = {
  dir: { type: "string", description: `the gateway's folder (SANDPIPER_DIR, else ${GATEWAY_DIR_DEFAULT})` },
} as const;

export function gatewayDir(
  values: { readonly dir?: string | boolean | undefined },
  env: Readonly<Record<string, string | undefined>>,
): string {
  const given = typeof values.dir === "string" ? values.dir : env["SANDPIPER_DIR"];
  return resolve(given || GATEWAY_DIR_DEFAULT);
}

/** @throws {UsageError} */
export function gatewayAt(
  values: { readonly dir?: string | boolean | undefined },
  env: Readonly<Record<string, string | undefined>>,
): string | ManagementPort {
  const { SANDPIPER_URL: url, SANDPIPER_TOKEN_FILE: tokenFile } = env;
  if (!url || typeof values.dir === "string") return gatewayDir(values, env);
  if (tokenFile) return { url, tokenFile };
  throw new UsageError(
    "SANDPIPER_URL is set, and SANDPIPER_TOKEN_FILE is not",
    "it names the gateway's management.token, or a copy; --dir does without",
  );
}
