/** Which gateway a command means: `--dir`, else SANDPIPER_DIR, else `.sandpiper` here. */
import { resolve } from "node:path";

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
