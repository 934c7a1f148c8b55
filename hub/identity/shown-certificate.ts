/** What TLS has learned of a client's certificate, and how a listener asks for one. */
import { constants } from "node:crypto";
import type { Duplex } from "node:stream";
import { TLSSocket, type TlsOptions } from "node:tls";
import type { ListenerTls } from "../face.ts";
import type { ShownCertificate } from "./client-certificate.ts";

export type { ShownCertificate };

/**
 * Every client is asked for a certificate and none has to have one; which of them count is decided when it says
 * who it is. An empty list of authorities, because without a list Node trusts those of the public web. No
 * renegotiation: it could put another certificate in the place of the one that was checked.
 */
export const clientCertificates = ({ deviceAuthorities }: ListenerTls) =>
  ({
    requestCert: true,
    rejectUnauthorized: false,
    ca: deviceAuthorities === undefined ? [] : [deviceAuthorities],
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  }) satisfies TlsOptions;

/** `null`: it has shown none, or there is no TLS. */
export function shownCertificateOf(socket: Duplex): ShownCertificate | null {
  if (!(socket instanceof TLSSocket)) return null;
  // Node has no certificate to be an empty object.
  const { subject, fingerprint, fingerprint256, valid_from, valid_to } = socket.getPeerCertificate();
  if (fingerprint256 === undefined) return null;
  const commonName: unknown = subject?.CN; // several are a list
  return {
    commonName: typeof commonName === "string" ? commonName : null,
    sha1: fingerprint,
    sha256: fingerprint256,
    notBefore: Date.parse(valid_from),
    notAfter: Date.parse(valid_to),
    isChainTrusted: socket.authorized,
  };
}
