import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { mqttLogin } from "../../../host/management/mqtt-login.ts";

const primaryKey = Buffer.alloc(32, 7).toString("base64");
const identity = { deviceId: "thermo1", moduleId: null, primaryKey };

test("the password signs the escaped resource and the expiry, as the contract has it", () => {
  const { password, expires } = mqttLogin(identity, "gw.example", 1_700_003_600_000);
  const signature = createHmac("sha256", Buffer.alloc(32, 7))
    .update("gw.example%2Fdevices%2Fthermo1\n1700003600")
    .digest("base64");
  expect(password).toBe(
    `SharedAccessSignature sr=gw.example%2Fdevices%2Fthermo1&sig=${encodeURIComponent(signature)}&se=1700003600`,
  );
  expect(expires).toBe("2023-11-14T23:13:20.000Z");
});

test("a module logs in as a module and publishes as one", () => {
  const login = mqttLogin({ ...identity, deviceId: "gw", moduleId: "reader" }, "gw.example", 1000);
  expect(login).toMatchObject({
    clientId: "gw/reader",
    username: "gw.example/gw/reader/?api-version=2021-04-12",
    topic: "devices/gw/modules/reader/messages/events/",
  });
});
