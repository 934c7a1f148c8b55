/** What changes with an identity: its connections, its twin, its session. */
import type { Clients } from "./clients/clients.ts";
import type { ClientEnd } from "./clients/channel.ts";
import type { Devicebound } from "./devicebound/devicebound.ts";
import type { Engine } from "./engine.ts";
import type { Identity, IdentityChange } from "./face.ts";
import type { Identities } from "./identity/identities.ts";
import { SessionRow } from "./mqtt/session-row.ts";
import { keyOf, type Twins } from "./twins/twins.ts";

interface Affected {
  readonly engine: Engine;
  readonly identities: Identities;
  readonly twins: Twins;
  readonly devicebound: Devicebound;
  readonly clients: Clients;
}

/** See `Hub.changeIdentity`. */
export async function changeIdentity(
  { identities, clients }: Affected,
  change: IdentityChange,
): Promise<Identity> {
  const changed = await identities.change(change);
  const { deviceId, moduleId = null, enabled } = changed;
  if (!enabled) end(clients, identities.goneWith(deviceId, moduleId), "identity_disabled");
  else clients.endUnproven(changed);
  return changed;
}

/** With the modules of a device. Twins, sessions and what waits go in the same step, and connections at once. */
export async function removeIdentity(
  { engine, identities, twins, devicebound, clients }: Affected,
  deviceId: string,
  moduleId: string | null,
): Promise<void> {
  const gone = identities.goneWith(deviceId, moduleId);
  for (const identity of gone) {
    const name = { deviceId, moduleId: identity.moduleId ?? null };
    twins.forget(name);
    new SessionRow(engine.journal, keyOf(name)).forget();
  }
  end(clients, gone, "identity_removed");
  if (moduleId === null) devicebound.forget(deviceId);
  await identities.remove(deviceId, moduleId);
}

function end(clients: Clients, identities: readonly Identity[], why: ClientEnd): void {
  for (const { deviceId, moduleId = null } of identities) clients.end({ deviceId, moduleId }, why);
}
