/**
 * The host's face. Importing it costs nothing to speak of: what is heavy (the server, the hub, the agent,
 * certificates) is loaded by the function that needs it, because every command passes through here.
 */
import type * as OfflineStore from "./store/offline-store.ts";

export * from "./errors.ts";
export {
  decodeGatewayConfig,
  ID_PATTERN,
  readGatewayConfig,
  type GatewayConfig,
} from "./folder/gateway-config.ts";
export {
  existingGateway,
  gatewayPaths,
  initGateway,
  type GatewayPaths,
  type InitOptions,
} from "./folder/gateway-folder.ts";
export { createGateway, type Gateway, type GatewayStarted } from "./gateway/gateway.ts";
export const checkOfflineStore: typeof OfflineStore.checkOfflineStore = async (dir) =>
  (await import("./store/offline-store.ts")).checkOfflineStore(dir);
export const setOfflineStoreAside: typeof OfflineStore.setOfflineStoreAside = async (dir, forget) =>
  (await import("./store/offline-store.ts")).setOfflineStoreAside(dir, forget);
/** The OpenAPI document of the management API; `version`: of the program. */
export const managementDocument = async (version: string): Promise<object> => {
  const [{ openApiDocument }, { OPERATIONS }] = await Promise.all([
    import("./management/openapi.ts"),
    import("./management/operations.ts"),
  ]);
  return openApiDocument(OPERATIONS, version);
};
export { JsonSyntaxError, parseJsonText } from "./json-text.ts";
export { createLineLog, LOG_LEVELS, type Log, type LogLevel } from "./log.ts";
export * from "./management/api.ts";
export {
  addTrustedKey,
  listTrustedKeys,
  removeTrustedKey,
  type TrustedKeyView,
} from "./folder/trust-file.ts";
export { createManagementClient, type ManagementClient, type ManagementPort } from "./management/client.ts";
