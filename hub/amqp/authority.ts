/**
 * Who has shown a token, or a certificate, on one connection: several identities, each with a token of its own
 * (contract §5.1). A token is renewed by showing another.
 */
import type { ShownCertificate } from "../identity/client-certificate.ts";
import { identityName, type AmqpHandler, type AmqpIdentity, type TokenVerdict } from "./handler.ts";
import {
  IDENTITIES_MAX,
  LINKS_MAX,
  PARTIAL_BYTES_MAX,
  STRANGER_LINKS_MAX,
  STRANGER_PARTIAL_BYTES_MAX,
} from "./limits.ts";

/** `by`: the key that signed, or the certificate. */
type OnShown = (identity: AmqpIdentity, expiresMs: number, by: string) => void;

export class Authority {
  readonly #handler: Pick<AmqpHandler, "verifyToken" | "verifyCertificate">;
  readonly #onShown: OnShown;
  /** By name in lower case: ids are compared in any case. */
  readonly #shown = new Map<string, AmqpIdentity>();
  /** Why the certificate that was shown is nobody's. */
  certificateRefusal: string | null = null;

  /** `onShown`: of each token and certificate that is good, until when. */
  constructor(handler: Pick<AmqpHandler, "verifyToken" | "verifyCertificate">, onShown: OnShown) {
    this.#handler = handler;
    this.#onShown = onShown;
  }

  get isEmpty(): boolean {
    return this.#shown.size === 0;
  }

  // What a connection may make us hold depends on whether anybody is known on it.

  get linksMax(): number {
    return this.isEmpty ? STRANGER_LINKS_MAX : LINKS_MAX;
  }

  /** Bytes of unfinished messages. */
  get partialBytesMax(): number {
    return this.isEmpty ? STRANGER_PARTIAL_BYTES_MAX : PARTIAL_BYTES_MAX;
  }

  /** Takes a token. `null` when it is good, else why it is not. */
  show(identity: AmqpIdentity, token: string): string | null {
    if (this.#shown.size >= IDENTITIES_MAX && this.identity(identity) === null) {
      return `more than ${IDENTITIES_MAX} identities on one connection`;
    }
    const verdict = this.#handler.verifyToken(identity, token);
    if (!verdict.ok) return verdict.text;
    this.#remember(verdict);
    return null;
  }

  /** Takes a certificate, if it is a device's. Where it is not, a token may follow. */
  showCertificate(certificate: ShownCertificate): void {
    const verdict = this.#handler.verifyCertificate(certificate);
    if (verdict.ok) this.#remember(verdict);
    else this.certificateRefusal = verdict.text;
  }

  #remember({ identity, expiresMs, by }: TokenVerdict & { ok: true }): void {
    this.#shown.set(identityName(identity).toLowerCase(), identity);
    this.#onShown(identity, expiresMs, by);
  }

  /** The identity as registered, when it has shown what it is. */
  identity(claimed: AmqpIdentity): AmqpIdentity | null {
    return this.#shown.get(identityName(claimed).toLowerCase()) ?? null;
  }

  /** Names of all that have shown what they are. */
  names(): string[] {
    return [...this.#shown.values()].map(identityName);
  }

  forget(name: string): void {
    this.#shown.delete(name.toLowerCase());
  }
}
