/**
 * Capabilities: what a module may reach beyond its inputs and outputs. The module's manifest asks, the
 * deployment may only narrow, and what is asked for without a grant is refused by name before anything runs.
 */
import { FEATURE } from "./layout.ts";

/** `twin`: its own desired and reported properties. `invoke`: methods of other modules and of devices. */
export const CAPABILITIES = ["log", "clock", "random", "kv", "twin", "invoke"] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** Granted when a deployment says nothing: what makes nobody else do something. `invoke` is granted by name. */
export const DEFAULT_GRANTS: readonly Capability[] = ["log", "clock", "random", "kv", "twin"];

/** Feature word 0 of a module that was granted these, and has these methods. */
export function featuresOf(grants: readonly Capability[], methods: readonly string[] = []): number {
  const twin = grants.includes("twin") ? FEATURE.TWIN : 0;
  const invoke = grants.includes("invoke") ? FEATURE.INVOKE : 0;
  return twin | invoke | (methods.length > 0 ? FEATURE.METHODS : 0);
}

export const isCapability = (name: string): name is Capability =>
  (CAPABILITIES as readonly string[]).includes(name);
