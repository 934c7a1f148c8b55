/**
 * What device clients ask of the hub besides telemetry and inputs, whatever protocol they speak: twins and
 * methods. This head knows links and messages; what implements this knows twins and callers.
 */
import type { AmqpIdentity } from "./handler.ts";

/** Called once, now or later; `body` `null`: there is nothing to say. After the flush, where it is one (J1). */
export type Answer = (status: number, body: Uint8Array | null) => void;

export interface MethodCall {
  readonly name: string;
  /** JSON. */
  readonly payload: Uint8Array;
  /** At most once; a caller that waits no longer hears nothing. */
  respond(status: number, payload: Uint8Array): void;
}

export interface ClientServices {
  /** `{desired, reported}` as JSON, with 200. */
  getTwin(identity: AmqpIdentity, answer: Answer): void;
  /** A patch of the reported properties, JSON as it came: 204, or an error's status. */
  patchReported(identity: AmqpIdentity, patch: Uint8Array, answer: Answer): void;
  /** Patches of the desired properties, from now on until the returned function is called. */
  watchDesired(identity: AmqpIdentity, push: (patch: Uint8Array) => void): () => void;
  /** The identity takes calls, from now on until the returned function is called. */
  serveMethods(identity: AmqpIdentity, call: (call: MethodCall) => void): () => void;
}
