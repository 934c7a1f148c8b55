/**
 * Identities: devices, and modules that connect over the network. The gateway makes their keys, and gives
 * them out once, when it makes them. Later it gives out what is signed with them, which expires.
 */
import { SandpiperError } from "../../abi/index.ts";
import { buildConnectionString, keysOf, newKeys, type Identity, type NewIdentity } from "../../hub/index.ts";
import {
  LOGIN_SECS_MAX,
  type DeviceCreated,
  type DeviceDetail,
  type DeviceRegistered,
  type DeviceView,
  type KeyRenewed,
  type MqttLogin,
} from "./api.ts";
import type { ManagementBackend } from "./backend.ts";
import { integer, oneOf, optional, orNull, text, type Fields } from "../http/fields.ts";
import { RequestError } from "../http/server.ts";
import { deviceId, moduleId, namesIn, newId } from "./ids.ts";
import { mqttLogin } from "./mqtt-login.ts";
import { answers, answersNothing, operation, type Operation } from "./operation.ts";
import { either, list } from "../http/schema.ts";
import {
  DEVICE_CREATED,
  DEVICE_DETAIL,
  DEVICE_REGISTERED,
  DEVICE_VIEW,
  KEY_RENEWED,
  MQTT_LOGIN,
} from "./views.ts";

/** SHA-256 in hex, with a colon after each byte. */
const THUMBPRINT_LENGTH_MAX = 95;

const thumbprint = text(/^[\dA-Fa-f:]+$/, THUMBPRINT_LENGTH_MAX, "a thumbprint is 40 or 64 hex digits");
/** A module without a device is one of the gateway's own. */
const NAME = { deviceId: optional(newId), moduleId: optional(newId) };
const NEW_IDENTITY = {
  ...NAME,
  parent: optional(newId),
  certificate: optional(oneOf("selfSigned", "certificateAuthority")),
  primaryThumbprint: optional(thumbprint),
  secondaryThumbprint: optional(thumbprint),
};

const DEVICE = "/devices/:deviceId";
const MODULE = "/devices/:deviceId/modules/:moduleId";
const MODULE_PARAMS = { deviceId, moduleId };
const NOT_THERE = ["SP_IDENTITY_UNKNOWN"];

export const DEVICE_OPERATIONS: readonly Operation[] = [
  operation({
    method: "GET",
    path: "/devices",
    id: "listDevices",
    tag: "devices",
    summary: "the devices, and the modules that connect over the network",
    answer: answers(list(DEVICE_VIEW)),
    handle: async ({ hub }) => (await hub.identities()).map(toView),
  }),
  operation({
    method: "GET",
    path: DEVICE,
    id: "getDevice",
    tag: "devices",
    summary: "what a device is; never its keys",
    params: { deviceId },
    answer: answers(DEVICE_DETAIL),
    errors: NOT_THERE,
    handle: (backend, { params }) => describe(backend, params.deviceId),
  }),
  operation({
    method: "POST",
    path: "/devices",
    id: "addDevice",
    tag: "devices",
    summary: "add a device, or a module of one; its keys are in this answer alone",
    body: NEW_IDENTITY,
    answer: answers(either(DEVICE_CREATED, DEVICE_REGISTERED), 201),
    errors: ["SP_IDENTITY_EXISTS", "SP_IDENTITY_NAME", "SP_IDENTITY_CERTIFICATE", "SP_IDENTITY_PARENT"],
    async handle(backend, { body }) {
      return addIdentity(backend, { ...body, deviceId: ownerOf(backend, body) });
    },
  }),
  renewing(DEVICE, "Device", { deviceId }),
  renewing(MODULE, "ModuleIdentity", MODULE_PARAMS),
  operation({
    method: "POST",
    path: `${DEVICE}/parent`,
    id: "setParent",
    tag: "devices",
    summary: "what device it is a child of from now on; null for none",
    params: { deviceId },
    body: { parent: orNull(newId) },
    answer: answersNothing,
    errors: ["SP_IDENTITY_UNKNOWN", "SP_IDENTITY_PARENT"],
    handle: async ({ hub }, { params, body }) => void (await hub.changeIdentity({ ...params, ...body })),
  }),
  ...enabling(DEVICE, "Device", { deviceId }),
  ...enabling(MODULE, "ModuleIdentity", MODULE_PARAMS),
  operation({
    method: "POST",
    path: "/logins",
    id: "signLogin",
    tag: "devices",
    summary: "what lets a plain MQTT client connect as a device for a while; no key can be had from it",
    body: { ...NAME, validSecs: integer(1, LOGIN_SECS_MAX) },
    answer: answers(MQTT_LOGIN, 201),
    errors: ["SP_IDENTITY_UNKNOWN", "SP_IDENTITY_CERTIFICATE"],
    handle: async (backend, { body }) =>
      login(backend, ownerOf(backend, body), body.moduleId, body.validSecs),
  }),
  operation({
    method: "DELETE",
    path: DEVICE,
    id: "removeDevice",
    tag: "devices",
    summary: "remove a device with its modules: keys are forgotten, connections closed",
    params: { deviceId },
    answer: answersNothing,
    errors: NOT_THERE,
    handle: ({ hub }, { params }) => hub.removeIdentity(params.deviceId),
  }),
  operation({
    method: "DELETE",
    path: MODULE,
    id: "removeModuleIdentity",
    tag: "devices",
    summary: "remove a module of a device",
    params: MODULE_PARAMS,
    answer: answersNothing,
    errors: NOT_THERE,
    handle: ({ hub }, { params }) => hub.removeIdentity(params.deviceId, params.moduleId),
  }),
];

/** Whoever is disabled is disconnected at once, with its modules if it is a device. */
function enabling(path: string, owner: string, params: Fields): readonly Operation[] {
  return (["enable", "disable"] as const).map((verb) =>
    operation({
      method: "POST",
      path: `${path}/${verb}`,
      id: verb + owner,
      tag: "devices",
      summary:
        verb === "enable" ? "let it connect again" : "refuse it from now on, and close what it has open",
      params,
      answer: answersNothing,
      errors: NOT_THERE,
      async handle({ hub }, request) {
        await hub.changeIdentity({ ...namesIn(request.params), enabled: verb === "enable" });
      },
    }),
  );
}

function renewing(path: string, owner: string, params: Fields): Operation {
  return operation({
    method: "POST",
    path: `${path}/keys`,
    id: `renew${owner}Key`,
    tag: "devices",
    summary: "a new key in place of one; whoever has connected by the old one is disconnected",
    params,
    body: { renew: oneOf("primary", "secondary") },
    answer: answers(KEY_RENEWED, 201),
    errors: ["SP_IDENTITY_UNKNOWN", "SP_IDENTITY_CERTIFICATE"],
    handle: (backend, request) => renewKey(backend, namesIn(request.params), request.body.renew),
  });
}

/** A module without a device is one of the gateway's own. */
function ownerOf(
  { gatewayId }: ManagementBackend,
  {
    deviceId: given,
    moduleId: module,
  }: { readonly deviceId?: string | undefined; readonly moduleId?: string | undefined },
): string {
  const owner = given ?? (module === undefined ? undefined : gatewayId);
  if (owner === undefined) throw new RequestError(400, "body names nobody");
  return owner;
}

interface Wanted {
  readonly deviceId: string;
  readonly moduleId?: string | undefined;
  readonly parent?: string | undefined;
  readonly certificate?: string | undefined;
  readonly primaryThumbprint?: string | undefined;
  readonly secondaryThumbprint?: string | undefined;
}

async function addIdentity(
  backend: ManagementBackend,
  { deviceId, moduleId, parent, ...credentials }: Wanted,
): Promise<DeviceCreated | DeviceRegistered> {
  const { hub, hostname } = backend;
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
  return { ...view, primaryKey, secondaryKey, connectionString: connectionString(backend, ids, primaryKey) };
}

/** As the device SDKs take it. A module beside the gateway's own is told to ask nobody else. */
function connectionString(
  { hostname, gatewayId }: ManagementBackend,
  ids: { readonly deviceId: string; readonly moduleId?: string },
  sharedAccessKey: string,
): string {
  const isOwn = ids.moduleId !== undefined && ids.deviceId === gatewayId;
  return buildConnectionString({
    ...ids,
    hostName: hostname,
    sharedAccessKey,
    ...(isOwn ? { gatewayHostName: hostname } : {}),
  });
}

async function renewKey(
  backend: ManagementBackend,
  ids: { readonly deviceId: string; readonly moduleId?: string },
  renewed: "primary" | "secondary",
): Promise<KeyRenewed> {
  const changed = await backend.hub.changeIdentity({ ...ids, renew: `${renewed}Key` });
  const [primaryKey, secondaryKey] = keysOf(changed);
  const sharedAccessKey = (renewed === "primary" ? primaryKey : secondaryKey)!;
  return {
    ...toView(changed),
    renewed,
    sharedAccessKey,
    connectionString: connectionString(backend, ids, sharedAccessKey),
  };
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
  const found = await hub.identity(deviceId, moduleId ?? null);
  const name = moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`;
  if (found === null) throw unknown(name);
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
