/** Operating errors of the gateway as a whole: its folder, its configuration, its life. */
import { SandpiperError } from "../abi/index.ts";

/** `gateway.json` cannot be used. Codes: SP_CONFIG_MISSING, SP_CONFIG_INVALID. */
export class ConfigError extends SandpiperError {}

/** The gateway folder cannot be made or used. Codes: SP_FOLDER_EXISTS, SP_FOLDER_PATH_LONG, SP_FOLDER_IO. */
export class FolderError extends SandpiperError {}

/** The gateway cannot run, or does not. Codes: SP_GATEWAY_RUNNING, SP_GATEWAY_NOT_RUNNING, SP_HUB_DOWN. */
export class GatewayError extends SandpiperError {}

/** A certificate or key cannot be used. Code: SP_CERTIFICATE_INVALID. */
export class CertificateError extends SandpiperError {}

/** The file of the key that seals devices' keys cannot be used. Code: SP_VAULT_FILE. */
export class VaultFileError extends SandpiperError {}
