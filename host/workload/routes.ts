/**
 * The workload API (contract §7.2): what a module in a process of its own asks the gateway for, instead of having a
 * key. `api-version` is mandatory, as the SDKs have it; errors are `{ message }`.
 */
import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { SandpiperError, toErrorRecord } from "../../abi/index.ts";
import { keysOf } from "../../hub/index.ts";
import { TRUST_BUNDLE } from "../certificates/index.ts";
import { decodeBody, text } from "../http/fields.ts";
import { RequestError, type Answer, type Request, type Route } from "../http/server.ts";
import type { WorkloadBackend } from "./backend.ts";
import { callerIn, type Caller, type CallerIdentity } from "./caller.ts";
import { certificateRoutes } from "./certificates.ts";
import { seal, unseal, type SealedFor } from "./sealing.ts";

export const WORKLOAD_BODY_BYTES_MAX = 128 * 1024;
/** In base64. What is encrypted has to come back, longer, in a body as well: 64 KB of it. */
const PLAINTEXT_LENGTH_MAX = 88 * 1024;
const VECTOR_LENGTH_MAX = 1024;
const KEYS = ["primary", "secondary"];

/** The first version of the API, and what came after it without a change in what is offered here. */
const VERSION_MIN = "2018-06-28";
const VERSION = /^\d{4}-\d\d-\d\d$/;

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const base64 = (lengthMax: number) => text(BASE64, lengthMax, "it must be base64");

const SIGN = {
  keyId: text(/^(?:primary|secondary)$/, 16, "a key is primary or secondary"),
  algo: text(/^HMACSHA256$/i, 16, "the one algorithm is HMACSHA256"),
  data: base64(WORKLOAD_BODY_BYTES_MAX),
};
const ENCRYPT = {
  plaintext: base64(PLAINTEXT_LENGTH_MAX),
  initializationVector: base64(VECTOR_LENGTH_MAX),
};
const DECRYPT = {
  ciphertext: base64(WORKLOAD_BODY_BYTES_MAX),
  initializationVector: base64(VECTOR_LENGTH_MAX),
};

export const workloadRoutes = (backend: WorkloadBackend, caller: Caller): readonly Route[] =>
  [
    ...trustRoutes(backend),
    ...keyRoutes(backend, caller),
    ...certificateRoutes(backend, caller),
    { method: "GET", path: "/modules", handle: async () => ({ json: { modules: list(caller) } }) } as const,
  ].map(versioned);

function versioned(route: Route): Route {
  const handle = async (request: Request): Promise<Answer> => {
    const version = request.query.get("api-version") ?? "";
    if (VERSION.test(version) && version >= VERSION_MIN) return route.handle(request);
    const quoted = JSON.stringify(version.slice(0, 16));
    throw new RequestError(400, `api-version ${quoted} is none`, `it is a date from ${VERSION_MIN} on`);
  };
  return { ...route, handle };
}

const trustRoutes = ({ tlsDir }: WorkloadBackend): readonly Route[] => [
  {
    method: "GET",
    path: "/trust-bundle",
    // Read each time: the operator may add to it.
    handle: async () => ({ json: { certificate: await readFile(join(tlsDir, TRUST_BUNDLE), "utf8") } }),
  },
  {
    method: "GET",
    path: "/manifest-trust-bundle",
    async handle() {
      throw new RequestError(404, "there is no manifest trust bundle: who may sign modules is in trust.json");
    },
  },
];

const keyRoutes = (backend: WorkloadBackend, caller: Caller): readonly Route[] => {
  const path = "/modules/:moduleId/genid/:generationId";
  return [
    {
      method: "POST",
      path: `${path}/sign`,
      async handle({ params, body }) {
        const identity = await callerIn(params, caller, backend);
        const { keyId, data } = decodeBody(body, SIGN);
        const key = keysOf(identity)[KEYS.indexOf(keyId)]!;
        const hmac = createHmac("sha256", Buffer.from(key, "base64")).update(Buffer.from(data, "base64"));
        return { json: { digest: hmac.digest("base64") } };
      },
    },
    {
      method: "POST",
      path: `${path}/encrypt`,
      async handle({ params, body }) {
        const identity = await callerIn(params, caller, backend);
        const { plaintext, initializationVector } = decodeBody(body, ENCRYPT);
        const whom = sealedFor(identity, initializationVector);
        const ciphertext = seal(backend.vaultKey, Buffer.from(plaintext, "base64"), whom);
        return { json: { ciphertext: ciphertext.toString("base64") } };
      },
    },
    {
      method: "POST",
      path: `${path}/decrypt`,
      async handle({ params, body }) {
        const identity = await callerIn(params, caller, backend);
        const { ciphertext, initializationVector } = decodeBody(body, DECRYPT);
        const whom = sealedFor(identity, initializationVector);
        const plaintext = unseal(backend.vaultKey, Buffer.from(ciphertext, "base64"), whom);
        return { json: { plaintext: plaintext.toString("base64") } };
      },
    },
  ];
};

const sealedFor = ({ deviceId, moduleId, generationId }: CallerIdentity, vector: string): SealedFor => ({
  gatewayId: deviceId,
  moduleId,
  generationId,
  initializationVector: Buffer.from(vector, "base64"),
});

/** Those that the caller may speak for. The gateway does not run their processes, so it cannot say how they are. */
const list = ({ modules }: Caller) =>
  [...modules].map((name) => ({
    name,
    type: "process",
    status: { runtimeStatus: { status: "unknown", description: "the gateway does not run it" } },
  }));

/** Of errors that are not the request's. */
const STATUS_OF: ReadonlyMap<string, number> = new Map([
  ["SP_REQUEST_HOST", 421],
  ["SP_VAULT_SEALED", 422],
  ["SP_HUB_DOWN", 503],
  ["SP_HUB_ENDED", 503],
  ["SP_HUB_STOPPED", 503],
]);
const TEXT_OF: Readonly<Record<number, string>> = {
  421: "the request is for a host that is not the loopback",
  422: "ciphertext does not open: it is another module's, of another vector, or was changed",
  500: "the gateway could not do it",
  503: "the gateway is not ready; try again in a moment",
};

/** How the API says that something could not be done. What is not the caller's doing stays in the gateway's log. */
export function refusal(error: unknown): {
  readonly status: number;
  readonly json: { readonly message: string };
} {
  if (error instanceof RequestError) {
    const { status, message, hint } = error;
    return { status, json: { message: hint === undefined ? message : `${message}: ${hint}` } };
  }
  const status = error instanceof SandpiperError ? (STATUS_OF.get(toErrorRecord(error).code) ?? 500) : 500;
  return { status, json: { message: TEXT_OF[status]! } };
}
