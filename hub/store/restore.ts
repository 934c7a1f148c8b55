/** Gives a store that was begun anew what was kept outside it. What the store has already is not overwritten. */
import type { HubRestore, NewIdentity } from "../face.ts";
import type { Identities } from "../identity/identities.ts";
import type { Routes } from "../routes.ts";

/** Durable when it resolves. Routes come first: what is taken without them would be dropped. */
export async function restore(
  kept: HubRestore,
  routes: Pick<Routes, "isSet" | "set">,
  identities: Pick<Identities, "find"> & { add(identity: NewIdentity): Promise<unknown> },
): Promise<void> {
  if (kept.routes !== null && !routes.isSet) await routes.set(kept.routes);
  const missing = kept.identities.filter(
    ({ deviceId, moduleId }) => identities.find(deviceId, moduleId ?? null) === undefined,
  );
  await Promise.all(missing.map((identity) => identities.add(identity)));
}
