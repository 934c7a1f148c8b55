/**
 * Identities: devices, and modules that connect over the network. The gateway makes their keys, and gives
 * them out once, when it makes them. Later it gives out what is signed with them, which expires.
 */
import { SandpiperError } from "../../abi/index.ts";
import { buildConnectionString, keysOf, newKeys, type Identity, type NewIdentity } from "../../hub/index.ts";
import { ID_PATTERN, ID_RULE } from "../folder/gateway-config.ts";
import { decodeBody, integer, optional, text } from "../http/fields.ts";
import { RequestError, type Route } from "../http/server.ts";
import {
  LOGIN_SECS_MAX,
  type DeviceCreated,
  type DeviceDetail,
  type DeviceRegistered,
  type DeviceView,
  type MqttLogin,
} from "./api.ts";
import type { ManagementBackend } from "./backend.ts";
import { mqttLogin } from "./mqtt-login.ts";

const ID_LENGTH_MAX = 128;
/** SHA-256 in hex, with a colon after each byte. */
const THUMBPRINT_LENGTH_MAX = 95;

const id = text(new RegExp(ID_PATTERN), ID_LENGTH_MAX, ID_RULE);
const thumbprint = text(/^[\dA-Fa-f:]+$/, THUMBPRINT_LENGTH_MAX, "a thumbprint is 40 or 64 hex digits");
const certificate = text(/^(selfSigned|certificateAuthority)$/, 32, "selfSigned or certificateAuthority");
/** A module without a device is one of the gateway's own. */
const NAME = { deviceId: optional(id), moduleId: optional(id) };
const NEW_IDENTITY = {
  ...NAME,
  parent: optional(id),
  certificate: optional(certificate),
  primaryThumbprint: optional(thumbprint),
  secondaryThumbprint: optional(thumbprint),
};
const NEW_LOGIN = { ...NAME, validSecs: integer(1, LOGIN_SECS_MAX) };

export const deviceRoutes = (backend: ManagementBackend): readonly Route[] => [
  {
    method: "GET",
    path: "/devices",
    handle: async () => ({ json: (await backend.hub.identities()).map(toView) }),
  },
  {
    method: "GET",
    path: "/devices/:deviceId",
    handle: async ({ params }) => ({ json: await describe(backend, params["deviceId"]!) }),
  },
  {
    method: "POST",
    path: "/devices",
    async handle({ body }) {
      const fields = decodeBody(body, NEW_IDENTITY);
      const { moduleId, deviceId = moduleId === undefined ? undefined : backend.gatewayId } = fields;
      if (deviceId === undefined) throw new RequestError(400, "body names nobody");
      return { status: 201, json: await addIdentity(backend, { ...fields, deviceId }) };
    },
  },
  ...enabling(backend, true),
  ...enabling(backend, false),
  {
    method: "POST",
    path: "/logins",
    async handle({ body }) {
      const { deviceId, moduleId, validSecs } = decodeBody(body, NEW_LOGIN);
      if (deviceId === undefined && moduleId === undefined) throw new RequestError(400, "body names nobody");
      return { status: 201, json: await login(backend, deviceId ?? backend.gatewayId, moduleId, validSecs) };
    },
  },
  {
    method: "DELETE",
    path: "/devices/:deviceId",
    async handle({ params }) {
      await backend.hub.removeIdentity(params["deviceId"]!);
      return null;
    },
  },
  {
    method: "DELETE",
    path: "/devices/:deviceId/modules/:moduleId",
    async handle({ params }) {
      await backend.hub.removeIdentity(params["deviceId"]!, params["moduleId"]!);
      return null;
    },
  },
];

/** Whoever is disabled is disconnected at once. */
const enabling = ({ hub }: ManagementBackend, enabled: boolean): readonly Route[] =>
  ["/devices/:deviceId", "/devices/:deviceId/modules/:moduleId"].map((path) => ({
    method: "POST",
    path: `${path}/${enabled ? "enable" : "disable"}`,
    async handle({ params }) {
      const { deviceId, moduleId } = params;
      await hub.changeIdentity({ deviceId: deviceId!, moduleId, enabled });
      return null;
    },
  }));

interface Wanted {
  readonly deviceId: string;
  readonly moduleId?: string | undefined;
  readonly parent?: string | undefined;
  readonly certificate?: string | undefined;
  readonly primaryThumbprint?: string | undefined;
  readonly secondaryThumbprint?: string | undefined;
}

async function addIdentity(
  { hub, hostname, gatewayId }: ManagementBackend,
  { deviceId, moduleId, parent, ...credentials }: Wanted,
): Promise<DeviceCreated | DeviceRegistered> {
  const ids = moduleId === undefined ? { deviceId } : { deviceId, moduleId };
  const rest = { ...ids, ...(parent === undefined ? {} : { parent }), enabled: true };
  const view = toView(rest);
  const authentication = certificateOf(credentials);
  if (authentication !== null) {
    await hub.addIdentity({ ...rest, authentication });
    return { ...view, connectionString: `HostName=${hostname};DeviceId=${deviceId};x509=true` };
  }
  const { primaryKey, secondaryKey } = newKeys();
  await hub.addIdentity({ ...rest, authentication: { type: "sas", primaryKey, secondaryKey } });
  // A module beside the gateway's own is told to ask nobody else.
  const isOwn = moduleId !== undefined && deviceId === gatewayId;
  const connectionString = buildConnectionString({
    ...ids,
    hostName: hostname,
    sharedAccessKey: primaryKey,
    ...(isOwn ? { gatewayHostName: hostname } : {}),
  });
  return { ...view, primaryKey, secondaryKey, connectionString };
}

/** `null`: it is to have keys. */
function certificateOf({
  certificate: type,
  primaryThumbprint,
  secondaryThumbprint = "",
}: Omit<Wanted, "deviceId">): Extract<NewIdentity, { authentication: unknown }>["authentication"] | null {
  const isPinned = type === "selfSigned";
  if (isPinned !== (primaryThumbprint !== undefined) || (secondaryThumbprint !== "" && !isPinned)) {
    throw new RequestError(400, "thumbprints belong with certificate selfSigned, and it with one at least");
  }
  if (isPinned) return { type, primaryThumbprint: primaryThumbprint!, secondaryThumbprint };
  return type === undefined ? null : { type: "certificateAuthority" };
}

/** Nothing of it is a secret. */
async function describe({ hub }: ManagementBackend, deviceId: string): Promise<DeviceDetail> {
  const all = await hub.identities();
  const found = all.find((identity) => identity.deviceId === deviceId && identity.moduleId === undefined);
  if (found === undefined) throw unknown(deviceId);
  const { authentication, generationId, parent = null } = found;
  return {
    ...toView(found),
    authentication: authentication.type,
    thumbprints:
      authentication.type === "selfSigned"
        ? [authentication.primaryThumbprint, authentication.secondaryThumbprint].filter((one) => one !== "")
        : [],
    generationId,
    parent,
    children: all.filter((identity) => identity.parent === deviceId).map((child) => child.deviceId),
    modules: all.flatMap((one) => (one.deviceId === deviceId && one.moduleId ? [one.moduleId] : [])),
  };
}

async function login(
  { hub, hostname }: ManagementBackend,
  deviceId: string,
  moduleId: string | undefined,
  validSecs: number,
): Promise<MqttLogin> {
  const found = (await hub.identities()).find(
    (identity) => identity.deviceId === deviceId && identity.moduleId === moduleId,
  );
  const name = moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`;
  if (found === undefined) throw unknown(name);
  const [primaryKey] = keysOf(found);
  if (primaryKey !== undefined) {
    const ids = moduleId === undefined ? { deviceId } : { deviceId, moduleId };
    return mqttLogin({ ...ids, primaryKey }, hostname, Date.now() + validSecs * 1000);
  }
  throw new SandpiperError("SP_IDENTITY_CERTIFICATE", `identity: "${name}" connects with a certificate`, {
    hint: "it has no key to sign a token with; its client shows the certificate over TLS, without a password",
  });
}

const unknown = (name: string): SandpiperError =>
  new SandpiperError("SP_IDENTITY_UNKNOWN", `identity: "${name}" does not exist`, {
    hint: "see: sandpiper device list",
  });

const toView = ({
  deviceId,
  moduleId,
  enabled,
}: Pick<Identity, "deviceId" | "moduleId" | "enabled">): DeviceView => ({
  deviceId,
  moduleId: moduleId ?? null,
  enabled,
});
