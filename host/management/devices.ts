/**
 * Identities: devices, and modules that connect over the network. The gateway makes their keys, and gives
 * them out once, when it makes them.
 */
import { randomBytes } from "node:crypto";
import type { FastifyInstance } from "fastify";
import type { Identity } from "../../hub/face.ts";
import { ID_PATTERN } from "../gateway-config.ts";
import type { DeviceCreated, DeviceView } from "./api.ts";
import type { ManagementBackend } from "./backend.ts";

/** As long as IoT Hub's own. */
const KEY_BYTES = 32;

export function deviceRoutes(app: FastifyInstance, backend: ManagementBackend): void {
  app.get("/devices", async () => (await backend.hub.identities()).map(toView));

  app.post<{ Body: { deviceId?: string; moduleId?: string } }>(
    "/devices",
    { schema: { body: NEW_IDENTITY } },
    async ({ body: { deviceId = backend.gatewayId, moduleId } }, reply) => {
      const identity = createIdentity(deviceId, moduleId);
      await backend.hub.addIdentity(identity);
      return reply.code(201).send({
        ...toView(identity),
        primaryKey: identity.primaryKey,
        secondaryKey: identity.secondaryKey,
        connectionString: connectionString(identity, backend.hostname),
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

/** An enabled identity with fresh keys. */
export function createIdentity(deviceId: string, moduleId?: string): Identity {
  const key = () => randomBytes(KEY_BYTES).toString("base64");
  const identity = { deviceId, primaryKey: key(), secondaryKey: key(), enabled: true };
  return moduleId === undefined ? identity : { ...identity, moduleId };
}

/** The form that the device SDKs read (contract §13). It holds the primary key. */
export function connectionString(identity: Identity, hostname: string): string {
  const module = identity.moduleId === undefined ? "" : `;ModuleId=${identity.moduleId}`;
  return `HostName=${hostname};DeviceId=${identity.deviceId}${module};SharedAccessKey=${identity.primaryKey}`;
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
