/** The registry of a hub's store, with the key that its configuration brings. */
import type { Engine } from "../engine.ts";
import type { HubConfig } from "../face.ts";
import { Identities } from "./identities.ts";
import { Vault } from "./vault.ts";

/** A store that this gateway's key does not open is closed as it was. @throws SP_VAULT_SEALED, SP_VAULT_KEY, SP_VAULT_FILE */
export async function openIdentities(
  engine: Engine,
  { gatewayId, vaultKey }: HubConfig,
): Promise<Identities> {
  try {
    const vault = vaultKey === undefined ? null : new Vault(vaultKey);
    return new Identities({ journal: engine.journal, gatewayId, vault });
  } catch (error) {
    await engine.close();
    throw error;
  }
}
