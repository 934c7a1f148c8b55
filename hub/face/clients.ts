/** The part of the hub's face that is about clients: who is connected, their twins, calls of their methods. */

/** A client that is connected now, by whatever protocol. */
export interface ConnectedClient {
  readonly deviceId: string;
  readonly moduleId: string | null;
  /** When it is ended unless it shows a newer token; `null` = its credentials do not end. */
  readonly expires: string | null;
}

/** A twin as a service sees it: values with `$metadata` and `$version` (contract §9). */
export interface TwinView {
  readonly deviceId: string;
  readonly moduleId: string | null;
  readonly etag: string;
  /** Of the twin as a whole: up by 1 with any change. */
  readonly version: number;
  readonly tags: object;
  readonly properties: { readonly desired: object; readonly reported: object };
}

export interface TwinChange {
  readonly section: "desired" | "reported" | "tags";
  /** A JSON object; `null`s in it delete. */
  readonly patch: unknown;
  /** What is not in it goes. */
  readonly replaces?: boolean;
  /** The etag that the twin must have; absent = any. */
  readonly ifMatch?: string;
}

/** As it comes over HTTP or from the command line (contract §7.4). */
export interface MethodRequest {
  readonly methodName: string;
  /** Any JSON value; absent = no payload. */
  readonly payload?: unknown;
  /** 5 to 300; 30 by default. */
  readonly responseTimeoutInSeconds?: number;
  /** How long to wait for the callee to be there, 0 (the default) to 300. */
  readonly connectTimeoutInSeconds?: number;
}

/** What the callee answered. */
export interface MethodResult {
  /** The callee's own code, usually like HTTP's. */
  readonly status: number;
  /** Parsed JSON; `null` for none. */
  readonly payload: unknown;
}
