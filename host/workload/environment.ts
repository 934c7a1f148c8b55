/** The environment by which the SDKs' `ModuleClient.fromEnvironment` finds its gateway (contract §7.1). Pure. */
import type { Identity } from "../../hub/index.ts";

/** What the API has been since, and what SDKs that choose by it know. */
const API_VERSION = "2018-06-28";
/** `sun_path` less its final zero, as clients have it. */
const SOCKET_PATH_BYTES_MAX = 107;
/** What URLs leave as it is; SDKs take the path from one and do not decode it. */
const PLAIN_PATH = /^[\w/.~:@!$&()*+,;=-]+$/;

export interface ModuleEnvironment {
  /** None of them is a secret. */
  readonly variables: Readonly<Record<string, string>>;
  /** Folder of the module's socket, to be mounted into its container. */
  readonly socketFolder: string;
  /** Name of the socket in it. */
  readonly socketName: string;
  /** Why clients on this machine cannot use the socket where it is; `null` when they can. */
  readonly socketFault: string | null;
}

export function variablesOf(
  { deviceId, moduleId, generationId }: Pick<Identity, "deviceId" | "moduleId" | "generationId">,
  { hostname, workloadUri }: { readonly hostname: string; readonly workloadUri: string },
): Readonly<Record<string, string>> {
  return {
    IOTEDGE_WORKLOADURI: workloadUri,
    IOTEDGE_DEVICEID: deviceId,
    IOTEDGE_MODULEID: moduleId!,
    IOTEDGE_MODULEGENERATIONID: generationId,
    IOTEDGE_IOTHUBHOSTNAME: hostname,
    IOTEDGE_GATEWAYHOSTNAME: hostname,
    IOTEDGE_AUTHSCHEME: "sasToken",
    IOTEDGE_APIVERSION: API_VERSION,
  };
}

export function socketFaultOf(socket: string): string | null {
  if (Buffer.byteLength(socket) > SOCKET_PATH_BYTES_MAX) {
    return `its path has more than ${SOCKET_PATH_BYTES_MAX} bytes`;
  }
  return PLAIN_PATH.test(socket) ? null : "its path has characters that a URI writes otherwise";
}
