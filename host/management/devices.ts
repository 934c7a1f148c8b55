/**
 * Identities: devices, and modules that connect over the network. The gateway makes their keys, and gives
 * them out once, when it makes them.
 */
import type { FastifyInstance } from "fastify";
import { buildConnectionString, newKeys, type Identity } from "../../hub/index.ts";
import { ID_PATTERN } from "../gateway-config.ts";
import type { DeviceCreated, DeviceView } from "./api.ts";
import type { ManagementBackend } from "./backend.ts";

export function deviceRoutes(app: FastifyInstance, backend: ManagementBackend): void {
  app.get("/devices", async () => (await backend.hub.identities()).map(toView));

  app.post<{ Body: { deviceId?: string; moduleId?: string } }>(
    "/devices",
    { schema: { body: NEW_IDENTITY } },
    async ({ body: { deviceId = backend.gatewayId, moduleId } }, reply) => {
      const ids = moduleId === undefined ? { deviceId } : { deviceId, moduleId };
      const identity: Identity = { ...ids, ...newKeys(), enabled: true };
      await backend.hub.addIdentity(identity);
      const { primaryKey, secondaryKey } = identity;
      const connectionString = buildConnectionString({
        ...ids,
        hostName: backend.hostname,
        sharedAccessKey: primaryKey,
      });
      return reply.code(201).send({
        ...toView(identity),
        primaryKey,
        secondaryKey,
        connectionString,
      } satisfies DeviceCreated);
    },
  );

  app.delete<{ Params: { deviceId: string } }>("/devices/:deviceId", async ({ params }, reply) => {
    await backend.hub.removeIdentity(params.deviceId);
    return reply.code(204).send();
  });

  app.delete<{ Params: { deviceId: string; moduleId: string } }>(
    "/devices/:deviceId/modules/:moduleId",
    async ({ params }, reply) => {
      await backend.hub.removeIdentity(params.deviceId, params.moduleId);
      return reply.code(204).send();
    },
  );
}

const toView = ({ deviceId, moduleId, enabled }: Identity): DeviceView => ({
  deviceId,
  moduleId: moduleId ?? null,
  enabled,
});

const id = { type: "string", pattern: ID_PATTERN } as const;

/** A module without a device is one of the gateway's own. */
const NEW_IDENTITY = {
  type: "object",
  additionalProperties: false,
  minProperties: 1,
  properties: { deviceId: id, moduleId: id },
} as const;
