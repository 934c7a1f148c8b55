/** Randomness from the host: fit for keys and tokens, unlike `Math.random`. */
import * as host from "./host";
import { getU32, placeOf, scratch } from "./memory";

export namespace random {
  /** Uniform in [0, 1), 53 bits. */
  export function number(): f64 {
    const place = scratch(8);
    host.random(place, 8);
    const high = getU32(place) >>> 5;
    const low = getU32(place + 4) >>> 6;
    return (<f64>high * 67108864.0 + <f64>low) / 9007199254740992.0;
  }
  /** Overwrites `bytes`. */
  export function fill(bytes: Uint8Array): void {
    host.random(placeOf(bytes), bytes.byteLength);
  }
}
