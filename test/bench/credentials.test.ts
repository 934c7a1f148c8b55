import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { createIdentity, loginOf, sharedAccessSignature } from "./credentials.ts";

test("a token signs the resource as it is escaped in it, and the expiry", () => {
  const key = Buffer.from("a key of this device").toString("base64");
  const token = sharedAccessSignature("gw/devices/dev0", key, 1_700_000_000);
  const mac = createHmac("sha256", "a key of this device")
    .update("gw%2Fdevices%2Fdev0\n1700000000")
    .digest("base64");
  expect(token).toBe(
    `SharedAccessSignature sr=gw%2Fdevices%2Fdev0&sig=${encodeURIComponent(mac)}&se=1700000000`,
  );
});

test("a device logs in as itself, a module as one of its gateway's", () => {
  const now = 1_700_000_000_000;
  expect(loginOf(createIdentity("dev7"), "gw", now)).toMatchObject({
    clientId: "dev7",
    username: "gw/dev7/?api-version=2021-04-12",
    password: expect.stringMatching(/^SharedAccessSignature sr=gw%2Fdevices%2Fdev7&sig=.*&se=1700003600$/),
  });
  expect(loginOf(createIdentity("gw", "sink"), "gw", now)).toMatchObject({
    clientId: "gw/sink",
    username: "gw/gw/sink/?api-version=2021-04-12",
    password: expect.stringContaining("sr=gw%2Fdevices%2Fgw%2Fmodules%2Fsink&"),
  });
});
