/**
 * The hub: MQTT, identities, routes, the journal, and the endpoints between them. It knows no WASM: a module
 * is somebody at the other end of a MessagePort.
 */
export * from "./face.ts";
export { createHubThread, type HubThread } from "./thread/client.ts";
export { buildConnectionString } from "./identity/connection-string.ts";
export { keysOf } from "./identity/identity.ts";
export { newKeys } from "./identity/keys.ts";
export { createSasToken } from "./identity/sas.ts";
export { Vault, VAULT_KEY_BYTES } from "./identity/vault.ts";
export { excerpt as routeExcerpt } from "./router/errors.ts";
export { checkDesired } from "./twins/limits.ts";
export { reportedPatch } from "./twins/merge.ts";
export { parseRoute } from "./router/parse.ts";
export { checkStore, isStoreDoubtful, isStoreEmpty, type StoreVerdict } from "./store/store-check.ts";
