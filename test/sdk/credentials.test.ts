/** Who may connect with Microsoft's SDK, and who is told why not: keys, tokens, certificates, over each transport. */
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import device, { type Client } from "azure-iot-device";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { CLOCK_SKEW_MS, createSasToken } from "../../hub/identity/sas.ts";
import { makeCertificate } from "../support/device-certificate.ts";
import { HOSTNAME, SdkGateway, within, wrongKey, type SdkIdentity } from "./harness.ts";
import { constructorOf, isMqtt, TRANSPORTS, type Transport } from "./transports.ts";

let gateway: SdkGateway;
beforeAll(async () => {
  gateway = await SdkGateway.start();
});
afterEach(() => gateway.closeClients());
afterAll(() => gateway[Symbol.asyncDispose]());

const send = (client: Client, body = "hello") =>
  within("acknowledgement", client.sendEvent(new device.Message(body)));

const nowSecs = () => Date.now() / 1000;
const tokenOf = ({ deviceId, primaryKey }: SdkIdentity, expires: number): string =>
  createSasToken(`${HOSTNAME}/devices/${deviceId}`, primaryKey, expires);

const tokenProvider = (transport: Transport, deviceId: string, sharedAccessSignature: string) =>
  new device.SharedAccessSignatureAuthenticationProvider({
    host: HOSTNAME,
    gatewayHostName: gateway.hostFor(transport),
    deviceId,
    sharedAccessSignature,
  });

/** A client of an identity that shows this token, whatever it says. */
const withToken = (transport: Transport, deviceId: string, token: string): Client =>
  device.Client.fromAuthenticationProvider(
    tokenProvider(transport, deviceId, token),
    constructorOf(transport),
  );

function withCertificate(transport: Transport, deviceId: string): Client {
  const text = `HostName=${gateway.hostFor(transport)};DeviceId=${deviceId};x509=true`;
  return device.Client.fromConnectionString(text, constructorOf(transport));
}

/** AMQP's way of telling who may not connect: some of it when it connects, the rest when it first wants something. */
async function openAndSend(client: Client, options: device.DeviceClientOptions = {}): Promise<void> {
  await gateway.open(client, options);
  await send(client);
}

describe.each(TRANSPORTS)("over %s", (transport) => {
  test("a device connects with either of its keys", async () => {
    const identity = await gateway.identity(`keys-${transport}`);
    await send(await gateway.device(transport, identity), "primary");
    await send(await gateway.device(transport, identity, identity.secondaryKey), "secondary");
    expect(await gateway.bodies(identity.deviceId)).toEqual(["primary", "secondary"]);
  });

  test.for(["pinned", "signed by a device authority"] as const)(
    "a device connects with a certificate that is %s",
    async (how) => {
      const name = `${how.slice(0, 6)}-${transport}`;
      const isPinned = how === "pinned";
      const shown = makeCertificate(name, isPinned ? {} : { signer: gateway.authority });
      await gateway.certified(name, isPinned ? shown : undefined);
      await openAndSend(withCertificate(transport, name), { cert: shown.cert, key: shown.key });
      expect(await gateway.bodies(name)).toEqual(["hello"]);
    },
  );

  test.for<[string, string, (identity: SdkIdentity) => Promise<Client> | Client]>([
    [
      "a wrong key",
      "signed with another key",
      (identity) =>
        device.Client.fromConnectionString(
          gateway.connectionString(transport, identity, wrongKey()),
          constructorOf(transport),
        ),
    ],
    [
      "an expired token",
      "expired",
      (identity) => withToken(transport, identity.deviceId, tokenOf(identity, nowSecs() - 301)),
    ],
    [
      "a token of another device",
      isMqtt(transport) ? "for another resource" : "without a token or certificate of that identity",
      async ({ deviceId }) => {
        const other = await gateway.identity(`${deviceId}-other`);
        return withToken(transport, deviceId, tokenOf(other, nowSecs() + 3600));
      },
    ],
    [
      "a name that nobody has",
      "no such device",
      (identity) => {
        const nobody = { ...identity, deviceId: `${identity.deviceId}-nobody` };
        return withToken(transport, nobody.deviceId, tokenOf(nobody, nowSecs() + 3600));
      },
    ],
    [
      "a name that is disabled",
      "disabled",
      async (identity) => {
        await gateway.management.setEnabled(false, identity.deviceId);
        return device.Client.fromConnectionString(
          gateway.connectionString(transport, identity),
          constructorOf(transport),
        );
      },
    ],
  ])("%s is an UnauthorizedError, and the operator is told why: %s", async ([what, why, clientOf]) => {
    const identity = await gateway.identity(`refused-${transport}-${what.replaceAll(" ", "-")}`);
    const before = new Set((await gateway.troubles()).map(({ client }) => client));
    await expect(openAndSend(await clientOf(identity))).rejects.toMatchObject({ name: "UnauthorizedError" });
    const added = (await gateway.troubles()).filter(({ client }) => !before.has(client));
    expect(added.map((trouble) => trouble.what)).toContainEqual(expect.stringContaining(why));
  });

  test("a module with the token of its device is an UnauthorizedError", async () => {
    const owner = await gateway.identity(`owner-${transport}`);
    const { moduleId } = await gateway.identity(owner.deviceId, "m");
    const provider = new device.SharedAccessSignatureAuthenticationProvider({
      host: HOSTNAME,
      gatewayHostName: gateway.hostFor(transport),
      deviceId: owner.deviceId,
      moduleId: moduleId!,
      sharedAccessSignature: tokenOf(owner, nowSecs() + 3600),
    });
    const client = device.ModuleClient.fromAuthenticationProvider(provider, constructorOf(transport));
    const use = async () => {
      await gateway.open(client);
      await within("acknowledgement", client.sendOutputEvent("out", new device.Message("x")));
    };
    await expect(use()).rejects.toMatchObject({ name: "UnauthorizedError" });
    expect(await gateway.logged(`${owner.deviceId}/m`)).toEqual([]);
  });

  test("a certificate of a stranger is an UnauthorizedError", async () => {
    const name = `stranger-${transport}`;
    await gateway.certified(name);
    const { cert, key } = makeCertificate(name);
    await expect(openAndSend(withCertificate(transport, name), { cert, key })).rejects.toMatchObject({
      name: "UnauthorizedError",
    });
  });

  test("a client that has sent nothing yet is disconnected when its identity is disabled", async () => {
    const identity = await gateway.identity(`idle-${transport}`);
    const client = await gateway.device(transport, identity);
    expect(await gateway.connections()).toBe(1);
    await gateway.management.setEnabled(false, identity.deviceId);
    expect(await gateway.connections()).toBe(0);
    await expect(send(client)).rejects.toMatchObject({ name: "UnauthorizedError" });
  });

  test("a new token is taken while connected, and a bad one ends the connection", async () => {
    const identity = await gateway.identity(`update-${transport}`);
    const { deviceId } = identity;
    const provider = tokenProvider(transport, deviceId, tokenOf(identity, nowSecs() + 60));
    const client = await gateway.open(
      device.Client.fromAuthenticationProvider(provider, constructorOf(transport)),
    );
    await send(client, "old");
    const update = (token: string) =>
      within("answer", promisify(client.updateSharedAccessSignature.bind(client))(token));
    await update(tokenOf(identity, nowSecs() + 3600));
    await send(client, "new");
    expect(await gateway.bodies(deviceId)).toEqual(["old", "new"]);
    provider.updateSharedAccessSignature(tokenOf({ ...identity, primaryKey: wrongKey() }, nowSecs() + 3600));
    await expect.poll(() => gateway.connections()).toBe(0);
    await expect(send(client)).rejects.toMatchObject({ name: "UnauthorizedError" });
  });

  test.for(["disabled", "removed"] as const)("a device that is %s is disconnected at once", async (what) => {
    const identity = await gateway.identity(`${what}-${transport}`);
    const client = await gateway.device(transport, identity);
    await send(client);
    expect(await gateway.connections()).toBe(1);
    if (what === "disabled") await gateway.management.setEnabled(false, identity.deviceId);
    else await gateway.management.removeDevice(identity.deviceId);
    expect(await gateway.connections()).toBe(0);
    await expect(send(client)).rejects.toMatchObject({ name: "UnauthorizedError" });
    if (what === "removed") return;
    await gateway.management.setEnabled(true, identity.deviceId);
    await send(client, "again");
    expect(await gateway.bodies(identity.deviceId)).toEqual(["hello", "again"]);
  });
});

/** How long a token is still good for that ended so long ago: the hub allows for clocks that are behind. */
const SKEW_SECS = CLOCK_SKEW_MS / 1000;

test("clients renew their tokens by themselves, and only who does not is disconnected at the end of its own", async () => {
  const outcomes = await Promise.all(
    TRANSPORTS.map(async (transport) => {
      const renewing = await gateway.identity(`renewing-${transport}`);
      const dawdling = await gateway.identity(`dawdling-${transport}`);
      // Each token is good for 3 to 4 s, and the SDK makes another after 2 s.
      const provider = device.SharedAccessKeyAuthenticationProvider.fromConnectionString(
        gateway.connectionString(transport, renewing),
        4 - SKEW_SECS,
        2 - SKEW_SECS,
      );
      const alive = await gateway.open(
        device.Client.fromAuthenticationProvider(provider, constructorOf(transport)),
      );
      const dying = await gateway.open(
        withToken(transport, dawdling.deviceId, tokenOf(dawdling, nowSecs() + 2 - SKEW_SECS)),
      );
      await send(dying);
      const sendFor = async (ms: number) => {
        let sent = 0;
        for (const end = performance.now() + ms; performance.now() < end; sent++) {
          await send(alive, String(sent));
          await setTimeout(100);
        }
        return sent;
      };
      const sent = await sendFor(6_500);
      const logged = await gateway.bodies(renewing.deviceId);
      const refused = await send(dying).then(
        () => "taken",
        (error: Error) => error.name,
      );
      return { isAllLogged: logged.length >= sent && logged.at(-1) === String(sent - 1), refused };
    }),
  );
  expect(outcomes).toEqual(TRANSPORTS.map(() => ({ isAllLogged: true, refused: "UnauthorizedError" })));
});
