/**
 * How a command asks a gateway that runs: in the folder that it means, or over its management port, where SANDPIPER_URL
 * says so and there is no `--dir`.
 */
import type { ManagementClient, ManagementPort } from "../../host/index.ts";
import type { Context } from "../command.ts";
import { UsageError } from "../errors.ts";
import { gatewayDir } from "./gateway-dir.ts";

/** Nothing is opened before the first call. @throws {UsageError} @throws {GatewayError} SP_GATEWAY_URL */
export async function gatewayClient(
  values: Context["values"],
  env: Context["env"],
): Promise<ManagementClient> {
  const { createManagementClient } = await import("../../host/index.ts");
  return createManagementClient(gatewayAt(values, env));
}

function gatewayAt(values: Context["values"], env: Context["env"]): string | ManagementPort {
  const { SANDPIPER_URL: url, SANDPIPER_TOKEN_FILE: tokenFile } = env;
  if (!url || typeof values.dir === "string") return gatewayDir(values, env);
  if (tokenFile) return { url, tokenFile };
  throw new UsageError(
    "SANDPIPER_URL is set, and SANDPIPER_TOKEN_FILE is not",
    "it names the gateway's management.token, or a copy; --dir does without",
  );
}
