/** Operating errors of the gateway as a whole: its folder, its configuration, its life. */
import { SandpiperError } from "../abi/index.ts";

/** `gateway.json` cannot be used. Codes: SP_CONFIG_MISSING, SP_CONFIG_INVALID. */
export class ConfigError extends SandpiperError {}

/** The gateway folder cannot be made or used. Codes: SP_FOLDER_EXISTS, SP_FOLDER_PATH_LONG, SP_FOLDER_IO. */
export class FolderError extends SandpiperError {}

/** The gateway cannot run, does not, or cannot be reached. Codes: SP_GATEWAY_*, SP_HUB_DOWN, SP_MANAGEMENT_LISTEN. */
export class GatewayError extends SandpiperError {}

/** A certificate or key cannot be used. Code: SP_CERTIFICATE_INVALID. */
export class CertificateError extends SandpiperError {}

/** The file of the key that seals devices' keys cannot be used. Code: SP_VAULT_FILE. */
export class VaultFileError extends SandpiperError {}

/** The file of the management token cannot be used. Code: SP_TOKEN_FILE. */
export class TokenFileError extends SandpiperError {}
