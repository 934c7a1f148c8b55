/** The part of the hub's face that is about identities; structured-cloneable, like all of it. */
import type { CertificateAuthentication } from "../identity/client-certificate.ts";

/** How an identity proves itself (contract §6). */
export type Authentication =
  | {
      readonly type: "sas";
      /** base64, as IoT Hub has them; either may sign. */
      readonly primaryKey: string;
      readonly secondaryKey: string;
    }
  | CertificateAuthentication;

/** A device, or a module that connects over the network. */
export interface Identity {
  readonly deviceId: string;
  readonly moduleId?: string;
  readonly authentication: Authentication;
  readonly enabled: boolean;
  /** Another one each time that an identity of this name is made. */
  readonly generationId: string;
  /** Device that it is a child of; the gateway may be one. */
  readonly parent?: string;
}

/** One that authenticates by keys, in short; stores and copies of older gateways have it so. */
export interface KeyedIdentity extends Omit<Identity, "authentication" | "generationId"> {
  readonly primaryKey: string;
  readonly secondaryKey: string;
  readonly generationId?: string;
}

/** Without a generation it gets a new one. */
export type NewIdentity =
  KeyedIdentity | (Omit<Identity, "generationId"> & { readonly generationId?: string });

/** What is left out stays. */
export interface IdentityChange {
  readonly deviceId: string;
  readonly moduleId?: string | undefined;
  readonly enabled?: boolean | undefined;
  readonly authentication?: Authentication | undefined;
  /** A new key in place of this one; the other stays. */
  readonly renew?: "primaryKey" | "secondaryKey" | undefined;
  /** `null`: none from now on. */
  readonly parent?: string | null | undefined;
}
