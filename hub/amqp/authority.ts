/**
 * Who has shown a token, or a certificate, on one connection: several identities, each with a token of its own
 * (contract §5.1). A token is renewed by showing another.
 */
import type { ShownCertificate } from "../identity/client-certificate.ts";
import { identityName, type AmqpHandler, type AmqpIdentity } from "./handler.ts";
import { IDENTITIES_MAX } from "./limits.ts";

interface Shown {
  readonly identity: AmqpIdentity;
  readonly expiresMs: number;
}

export class Authority {
  readonly #handler: AmqpHandler;
  /** By name in lower case: ids are compared in any case. */
  readonly #shown = new Map<string, Shown>();
  #nextExpiryMs = Infinity;
  /** Why the certificate that was shown is nobody's. */
  certificateRefusal: string | null = null;

  constructor(handler: AmqpHandler) {
    this.#handler = handler;
  }

  get isEmpty(): boolean {
    return this.#shown.size === 0;
  }

  /** Takes a token. `null` when it is good, else why it is not. */
  show(identity: AmqpIdentity, token: string): string | null {
    if (this.#shown.size >= IDENTITIES_MAX && this.identity(identity) === null) {
      return `more than ${IDENTITIES_MAX} identities on one connection`;
    }
    const verdict = this.#handler.verifyToken(identity, token);
    if (!verdict.ok) return verdict.text;
    this.#remember(verdict.identity, verdict.expiresMs);
    return null;
  }

  /** Takes a certificate, if it is a device's. Where it is not, a token may follow. */
  showCertificate(certificate: ShownCertificate): void {
    const verdict = this.#handler.verifyCertificate(certificate);
    if (verdict.ok) this.#remember(verdict.identity, verdict.expiresMs);
    else this.certificateRefusal = verdict.text;
  }

  #remember(identity: AmqpIdentity, expiresMs: number): void {
    this.#shown.set(identityName(identity).toLowerCase(), { identity, expiresMs });
    this.#nextExpiryMs = Math.min(this.#nextExpiryMs, expiresMs);
  }

  /** The identity as registered, when it has shown what it is. */
  identity(claimed: AmqpIdentity): AmqpIdentity | null {
    return this.#shown.get(identityName(claimed).toLowerCase())?.identity ?? null;
  }

  /** Names of all that have shown what they are. */
  names(): string[] {
    return [...this.#shown.values()].map(({ identity }) => identityName(identity));
  }

  forget(name: string): void {
    this.#shown.delete(name.toLowerCase());
  }

  /** Names of those whose token is over. Looks at them only when the first one is. */
  expired(nowMs: number): string[] {
    if (nowMs <= this.#nextExpiryMs) return [];
    const over: string[] = [];
    this.#nextExpiryMs = Infinity;
    for (const { identity, expiresMs } of this.#shown.values()) {
      if (expiresMs < nowMs) over.push(identityName(identity));
      else this.#nextExpiryMs = Math.min(this.#nextExpiryMs, expiresMs);
    }
    return over;
  }
}
