/**
 * What the hub pushes to a client, whatever protocol it speaks, and what a client may want pushed. Each head
 * implements it: MQTT with topics, AMQP with links.
 */
import type { Endpoint } from "../endpoints/endpoint.ts";
import type { MethodInvocation } from "../methods/methods.ts";

/** A device, or a module of one. */
export interface ClientName {
  readonly deviceId: string;
  readonly moduleId: string | null;
}

/** `device`, or `device/module`: an id holds no slash. */
export const nameOf = ({ deviceId, moduleId }: ClientName): string =>
  moduleId === null ? deviceId : `${deviceId}/${moduleId}`;

/** Why the hub ends a client. */
export type ClientEnd =
  "taken_over" | "identity_removed" | "identity_disabled" | "token_expired" | "no_progress" | "shutdown";

/** What a client is pushed only while it wants it. */
export type Interest = "inputs" | "desired" | "methods" | "devicebound";

/** One queue that a module consumes. */
export interface ModuleInput {
  readonly name: string;
  readonly endpoint: Endpoint;
}

/** Called on the hub's thread, synchronously, and never after `end` or `Client.detach`. It must not throw. */
export interface ClientChannel {
  /** What it has shown last, as the verdict on it says: a key, or a certificate. */
  readonly provenBy: string | null;
  /** The client is one no longer: nothing it still says counts. */
  end(why: ClientEnd): void;
  /**
   * Consume exactly these from now on, through a `DeliveryWindow`; called again when routes have changed. Empty:
   * give back whatever there was.
   */
  inputs(inputs: readonly ModuleInput[]): void;
  /** The same with what waits for a device; `null`: there is nothing. Called again when there is. */
  devicebound(queue: Endpoint | null): void;
  /** A change of its desired properties: JSON, `$version` in it. Durable (J1). */
  desired(patch: Buffer, version: number): void;
  /** A call; the answer goes to `Client.methodResult` with its `rid`. */
  method(call: MethodInvocation): void;
}
