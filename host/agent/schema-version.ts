/** `schemaVersion` of a section: `major.minor[.patch]`, of which the patch means nothing (contract §1.2, §1.4). */
import { DeploymentError } from "./errors.ts";
import type { JsonPath } from "./json-path.ts";
import { quote } from "./schema-check.ts";

export interface SchemaVersion {
  readonly major: number;
  readonly minor: number;
}

/** @throws {DeploymentError} 412 */
export function decodeSchemaVersion(value: unknown, minorMax: number, at: JsonPath): SchemaVersion {
  if (value === undefined) throw new DeploymentError(412, at, "missing");
  if (typeof value !== "string") throw new DeploymentError(412, at, `must be a string, got ${quote(value)}`);
  const found = /^(\d{1,5})\.(\d{1,5})(?:\.\d{1,5})?$/.exec(value);
  const version = found && { major: Number(found[1]), minor: Number(found[2]) };
  if (!version || version.major !== 1 || version.minor > minorMax) {
    throw new DeploymentError(412, at, `${quote(value)} is not a version from 1.0 to 1.${minorMax}`);
  }
  return version;
}
