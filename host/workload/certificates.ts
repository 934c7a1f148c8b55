/** The part of the workload API that issues certificates, each with a key of its own. */
import { loadAuthority } from "../certificates/index.ts";
import {
  issueModuleIdentityCertificate,
  issueModuleServerCertificate,
  moduleHostNames,
  type ModuleCertificate,
  type ModuleName,
} from "../certificates/module-certificate.ts";
import { decodeBody, text } from "../http/fields.ts";
import { RequestError, type Answer, type Route } from "../http/server.ts";
import type { WorkloadBackend } from "./backend.ts";
import { callerIn, type Caller, type CallerIdentity } from "./caller.ts";

const TIME_LENGTH_MAX = 40;
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i;
const expiration = text(RFC3339, TIME_LENGTH_MAX, "it must be a time as RFC 3339 has it");

const IDENTITY = { expiration };
const SERVER = { commonName: text(/./, 253, "it must be a name"), expiration };

export const certificateRoutes = (backend: WorkloadBackend, caller: Caller): readonly Route[] => [
  {
    method: "POST",
    path: "/modules/:moduleId/certificate/identity",
    async handle({ params, body }) {
      const name = nameOf(await callerIn(params, caller, backend), backend);
      const notAfterMs = timeOf(decodeBody(body, IDENTITY).expiration, backend);
      const authority = await loadAuthority(backend.tlsDir);
      return answer(await issueModuleIdentityCertificate(authority, name, notAfterMs, backend.nowMs()));
    },
  },
  {
    method: "POST",
    path: "/modules/:moduleId/genid/:generationId/certificate/server",
    async handle({ params, body }) {
      const name = nameOf(await callerIn(params, caller, backend), backend);
      const { commonName, expiration: asked } = decodeBody(body, SERVER);
      const names = withFirst(commonName, moduleHostNames(name));
      const notAfterMs = timeOf(asked, backend);
      const authority = await loadAuthority(backend.tlsDir);
      return answer(await issueModuleServerCertificate(authority, names, notAfterMs, backend.nowMs()));
    },
  },
];

const nameOf = ({ moduleId }: CallerIdentity, { gatewayId, hostname }: WorkloadBackend): ModuleName => ({
  gatewayId,
  hostname,
  moduleId,
});

/** @throws {RequestError} the name that is asked for is not the module's */
function withFirst(commonName: string, names: readonly string[]): readonly string[] {
  const first = names.find((name) => name === commonName.toLowerCase());
  if (first !== undefined) return [first, ...names.filter((name) => name !== first)];
  const hint =
    names.length === 0 ? "its name is none that a host may have" : `it may serve as ${names.join(", ")}`;
  throw new RequestError(400, `"${commonName}" is not a name of this module`, hint);
}

/** @throws {RequestError} it is no time, or over */
function timeOf(text_: string, { nowMs }: WorkloadBackend): number {
  const ms = Date.parse(text_);
  if (ms > nowMs()) return ms;
  throw new RequestError(400, `expiration "${text_}" is over, or is no time`);
}

const answer = ({ chain, privateKey, notAfterMs }: ModuleCertificate): Answer => ({
  status: 201,
  json: {
    privateKey: { type: "key", bytes: privateKey },
    certificate: chain,
    expiration: new Date(notAfterMs).toISOString(),
  },
});
