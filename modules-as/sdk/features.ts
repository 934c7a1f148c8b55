/** Features that the module uses: the compiler knows them, and the manifest asks for them. */
import { ABI_MINOR } from "./abi";

let used: u32 = 0;

/** For the dispatch alone. */
export function useFeatures(features: u32): void {
  used = features;
}

/** What the module was built for, as its manifest says it: without a feature it runs on hosts of 1.0. */
export function builtForMinor(): u32 {
  return used == 0 ? 0 : ABI_MINOR;
}

export function requireFeature(feature: u32, what: string): void {
  if ((used & feature) == 0) {
    throw new Error(
      `${what}: the module's manifest does not ask for it; import it from "@sandpiper/module" by name`,
    );
  }
}
