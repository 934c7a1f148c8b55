/** Connection strings as the SDKs take them: `HostName=..;DeviceId=..;[ModuleId=..;]SharedAccessKey=..;GatewayHostName=..` */
import { SandpiperError } from "../../abi/index.ts";

export interface ConnectionString {
  /** The hub's name, which tokens are made for. */
  readonly hostName: string;
  readonly deviceId: string;
  readonly moduleId?: string;
  /** base64 */
  readonly sharedAccessKey: string;
  /** Where to connect, when it is not the hub itself; may carry a port. */
  readonly gatewayHostName?: string;
}

/** `code`: SP_CONNECTION_STRING. Never holds the text: there is a key in it. */
export class ConnectionStringError extends SandpiperError {}

/** Field by wire name, in the order they are written. */
const FIELDS = [
  ["HostName", "hostName"],
  ["DeviceId", "deviceId"],
  ["ModuleId", "moduleId"],
  ["SharedAccessKey", "sharedAccessKey"],
  ["GatewayHostName", "gatewayHostName"],
] as const satisfies readonly (readonly [string, keyof ConnectionString])[];

const BYTES_MAX = 4_096;

export function buildConnectionString(fields: ConnectionString): string {
  const parts: string[] = [];
  for (const [name, key] of FIELDS) {
    const value = fields[key];
    if (value !== undefined) parts.push(`${name}=${value}`);
  }
  return parts.join(";");
}

/** Names in any case and order; unknown ones are ignored. @throws {ConnectionStringError} */
export function parseConnectionString(text: string): ConnectionString {
  if (text.length > BYTES_MAX) throw malformed(`longer than ${BYTES_MAX} bytes`);
  const found = new Map<string, string>();
  for (const part of text.split(";")) {
    const equals = part.indexOf("=");
    if (part.trim() === "") continue;
    if (equals < 1) throw malformed("a field is not Name=value");
    const name = part.slice(0, equals).trim().toLowerCase();
    if (found.has(name)) throw malformed("a field occurs twice");
    found.set(name, part.slice(equals + 1).trim());
  }
  const value = (name: string) => found.get(name.toLowerCase()) || undefined;
  const required = (name: string): string => {
    const present = value(name);
    if (present === undefined) throw malformed(`${name} is missing`);
    return present;
  };
  const moduleId = value("ModuleId");
  const gatewayHostName = value("GatewayHostName");
  return {
    hostName: required("HostName"),
    deviceId: required("DeviceId"),
    ...(moduleId === undefined ? {} : { moduleId }),
    sharedAccessKey: required("SharedAccessKey"),
    ...(gatewayHostName === undefined ? {} : { gatewayHostName }),
  };
}

const malformed = (why: string): ConnectionStringError =>
  new ConnectionStringError("SP_CONNECTION_STRING", `connection string: ${why}`, {
    hint: "expected HostName=...;DeviceId=...;[ModuleId=...;]SharedAccessKey=...[;GatewayHostName=...]",
  });
