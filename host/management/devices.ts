/**
 * Identities: devices, and modules that connect over the network. The gateway makes their keys, and gives
 * them out once, when it makes them. Later it gives out what is signed with them, which expires.
 */
import { SandpiperError } from "../../abi/index.ts";
import { buildConnectionString, newKeys, type Identity } from "../../hub/index.ts";
import { ID_PATTERN, ID_RULE } from "../gateway-config.ts";
import { LOGIN_SECS_MAX, type DeviceCreated, type DeviceView, type MqttLogin } from "./api.ts";
import type { ManagementBackend } from "./backend.ts";
import { decodeBody, integer, optional, text } from "./fields.ts";
import { RequestError, type Route } from "./http.ts";
import { mqttLogin } from "./mqtt-login.ts";

const ID_LENGTH_MAX = 128;

const id = text(new RegExp(ID_PATTERN), ID_LENGTH_MAX, ID_RULE);
/** A module without a device is one of the gateway's own. */
const NEW_IDENTITY = { deviceId: optional(id), moduleId: optional(id) };
const NEW_LOGIN = { ...NEW_IDENTITY, validSecs: integer(1, LOGIN_SECS_MAX) };

export const deviceRoutes = (backend: ManagementBackend): readonly Route[] => [
  {
    method: "GET",
    path: "/devices",
    handle: async () => ({ json: (await backend.hub.identities()).map(toView) }),
  },
  {
    method: "POST",
    path: "/devices",
    async handle({ body }) {
      const { deviceId, moduleId } = decodeBody(body, NEW_IDENTITY);
      if (deviceId === undefined && moduleId === undefined) throw new RequestError(400, "body names nobody");
      return { status: 201, json: await addIdentity(backend, deviceId ?? backend.gatewayId, moduleId) };
    },
  },
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

async function addIdentity(
  { hub, hostname }: ManagementBackend,
  deviceId: string,
  moduleId: string | undefined,
): Promise<DeviceCreated> {
  const ids = moduleId === undefined ? { deviceId } : { deviceId, moduleId };
  const identity: Identity = { ...ids, ...newKeys(), enabled: true };
  await hub.addIdentity(identity);
  const { primaryKey, secondaryKey } = identity;
  const connectionString = buildConnectionString({ ...ids, hostName: hostname, sharedAccessKey: primaryKey });
  return { ...toView(identity), primaryKey, secondaryKey, connectionString };
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
  if (found) return mqttLogin(found, hostname, Date.now() + validSecs * 1000);
  const name = moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`;
  throw new SandpiperError("SP_IDENTITY_UNKNOWN", `identity: "${name}" does not exist`, {
    hint: "see: sandpiper device list",
  });
}

const toView = ({ deviceId, moduleId, enabled }: Identity): DeviceView => ({
  deviceId,
  moduleId: moduleId ?? null,
  enabled,
});
