/**
 * Identities: devices, and modules that connect over the network. The gateway makes their keys, and gives
 * them out once, when it makes them.
 */
import { buildConnectionString, newKeys, type Identity } from "../../hub/index.ts";
import { ID_PATTERN, ID_RULE } from "../gateway-config.ts";
import type { DeviceCreated, DeviceView } from "./api.ts";
import type { ManagementBackend } from "./backend.ts";
import { decodeBody, optional, text } from "./fields.ts";
import { RequestError, type Route } from "./http.ts";

const ID_LENGTH_MAX = 128;

const id = text(new RegExp(ID_PATTERN), ID_LENGTH_MAX, ID_RULE);
/** A module without a device is one of the gateway's own. */
const NEW_IDENTITY = { deviceId: optional(id), moduleId: optional(id) };

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

const toView = ({ deviceId, moduleId, enabled }: Identity): DeviceView => ({
  deviceId,
  moduleId: moduleId ?? null,
  enabled,
});
