/**
 * Capabilities: what a module may reach beyond its inputs and outputs. The module's manifest asks, the
 * deployment may only narrow, and an import without a grant fails at link time, by name.
 */
export const CAPABILITIES = ["log", "clock", "random", "kv"] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** Granted when a deployment says nothing: what cannot reach outside the module. */
export const DEFAULT_GRANTS: readonly Capability[] = ["log", "clock", "random", "kv"];

export const isCapability = (name: string): name is Capability =>
  (CAPABILITIES as readonly string[]).includes(name);
