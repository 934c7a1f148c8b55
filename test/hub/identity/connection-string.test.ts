import { describe, expect, it } from "vitest";
import {
  buildConnectionString,
  ConnectionStringError,
  parseConnectionString,
} from "../../../hub/identity/connection-string.ts";

const DEVICE = "HostName=hub;DeviceId=dev;SharedAccessKey=a+b/c==;GatewayHostName=gw:8883";
const MODULE = "HostName=hub;DeviceId=dev;ModuleId=mod;SharedAccessKey=a+b/c==";

describe("a connection string", () => {
  it.each([
    [DEVICE, { hostName: "hub", deviceId: "dev", sharedAccessKey: "a+b/c==", gatewayHostName: "gw:8883" }],
    [MODULE, { hostName: "hub", deviceId: "dev", moduleId: "mod", sharedAccessKey: "a+b/c==" }],
  ])("%s is parsed and built again", (text, fields) => {
    expect(parseConnectionString(text)).toEqual(fields);
    expect(buildConnectionString(fields)).toBe(text);
  });

  it("may be in any order and case, with blanks, unknown fields and a last semicolon", () => {
    const text = " sharedaccesskey=k== ; Other=1; __proto__=x;deviceid=dev;HOSTNAME=hub; ModuleId=;";
    expect(parseConnectionString(text)).toEqual({ hostName: "hub", deviceId: "dev", sharedAccessKey: "k==" });
  });

  it.each([
    ["that is empty", "HostName is missing", ""],
    ["without a key", "SharedAccessKey is missing", "HostName=hub;DeviceId=dev"],
    ["with an empty id", "DeviceId is missing", "HostName=hub;DeviceId=;SharedAccessKey=topsecret"],
    ["with a lone word", "not Name=value", "HostName=hub;topsecret;DeviceId=dev;SharedAccessKey=topsecret"],
    ["with two keys", "occurs twice", "HostName=hub;SharedAccessKey=topsecret;SharedAccessKey=topsecret"],
    ["of more than 4 KB", "longer than", `HostName=hub;SharedAccessKey=${"topsecret".repeat(500)}`],
  ])("%s is an error that keeps the key to itself", (_name, why, text) => {
    const error = (() => {
      try {
        return parseConnectionString(text);
      } catch (thrown) {
        return thrown;
      }
    })() as ConnectionStringError;
    expect(error).toBeInstanceOf(ConnectionStringError);
    expect(error.code).toBe("SP_CONNECTION_STRING");
    expect(error.message).toContain(why);
    expect(JSON.stringify([error.message, error.hint, error.details, error.stack])).not.toContain(
      "topsecret",
    );
  });
});
