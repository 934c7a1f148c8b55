/**
 * What an AMQP connection asks of the hub. The connection knows AMQP, tokens and addresses; whoever implements
 * this knows identities, queues, twins and methods.
 *
 * A handler is called on the hub's thread, synchronously, and never after `onClose`. It may close the connection
 * or detach links from within any call. It must not throw.
 */
import type { ShownCertificate } from "../identity/client-certificate.ts";
import type { LinkPurpose } from "./address.ts";
import type { CloseReason } from "./close-reason.ts";
import type { AmqpError } from "./codec.ts";
import type { AmqpConnection } from "./connection.ts";
import type { IncomingLink } from "./incoming-link.ts";
import type { OutgoingLink } from "./outgoing-link.ts";

export interface AmqpIdentity {
  readonly deviceId: string;
  readonly moduleId: string | null;
}

/** `device`, or `device/module`: how connections know identities. */
export const identityName = ({ deviceId, moduleId }: AmqpIdentity): string =>
  moduleId === null ? deviceId : `${deviceId}/${moduleId}`;

export type TokenVerdict =
  | {
      readonly ok: true;
      /** As it is registered: ids are compared in any case. */
      readonly identity: AmqpIdentity;
      /** Wall clock, ms; of a token with skew. */
      readonly expiresMs: number;
      /** The key that signed, or the certificate. */
      readonly by: string;
    }
  | { readonly ok: false; readonly text: string };

/** A link that a client asks for; its identity has shown a token. */
export type LinkRequest =
  | { readonly purpose: LinkPurpose; readonly link: IncomingLink }
  | { readonly purpose: LinkPurpose; readonly link: OutgoingLink };

export interface AmqpHandler {
  /** Whether a token, from SASL PLAIN or CBS, is this identity's. */
  verifyToken(identity: AmqpIdentity, token: string): TokenVerdict;
  /** Whose certificate this is. Asked once, at OPEN, when the client showed one. */
  verifyCertificate(certificate: ShownCertificate): TokenVerdict;
  /**
   * An identity has shown what it is on this connection, or has shown a newer token. Who is one no longer is told
   * by `connection.revoke`.
   */
  onShown(connection: AmqpConnection, identity: AmqpIdentity, expiresMs: number, by: string): void;
  /**
   * Must set `link.user` and the link's window, or return why not. A link that is refused is attached and
   * detached with the error, as AMQP wants it (2.6.3).
   */
  onLink(connection: AmqpConnection, request: LinkRequest): AmqpError | null;
  /** Something a client may be asked about: a token refused, an address unknown. */
  onTrouble(connection: AmqpConnection, what: string): void;
  /** The last call for this connection; exactly once, also when OPEN never came. Its links are gone already. */
  onClose(connection: AmqpConnection, reason: CloseReason): void;
}
