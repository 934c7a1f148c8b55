import { describe, expect, it } from "vitest";
import { Block, decodeProperties, type Sections } from "../../../abi/index.ts";
import {
  classifyFilter,
  deviceboundTopic,
  inputTopic,
  isOwnTopic,
  parseClientTopic,
  type TelemetryTopic,
} from "../../../hub/mqtt/topics.ts";

const section = (bytes: Uint8Array, length: number) =>
  decodeProperties(Block.from(bytes), 0, length).map(({ name, value }) => [name, value]);
const properties = ({ sys, sysLength, app, appLength }: Sections) => ({
  sys: section(sys, sysLength),
  app: section(app, appLength),
});

function telemetry(topic: string): TelemetryTopic {
  const parsed = parseClientTopic(topic);
  if (parsed.kind !== "telemetry") throw new Error(`${topic} is ${parsed.kind}`);
  return parsed;
}

describe("a telemetry topic", () => {
  it.each(["devices/d/messages/events", "devices/d/messages/events/", "devices/d/messages/events//"])(
    "%s is a device's, without properties",
    (topic) => {
      const { sections, ...ids } = telemetry(topic);
      expect(ids).toEqual({ kind: "telemetry", deviceId: "d", moduleId: null, output: null });
      expect(properties(sections)).toEqual({ sys: [], app: [] });
    },
  );

  it.each([
    ["devices/d/modules/m/messages/events/%24.on=output1&%24.mid=1&k=v/", "output1", [["k", "v"]]],
    ["devices/d/modules/m/messages/events/%24.on=output1/", "output1", []],
    ["devices/d/modules/m/messages/events/$.on=output1", "output1", []],
    ["devices/d/modules/m/messages/events/?k=a/b", null, [["k", "a/b"]]],
    ["devices/d/modules/m/messages/events", null, []],
  ])("%s is a module's", (topic, output, app) => {
    const parsed = telemetry(topic);
    expect(parsed).toMatchObject({ deviceId: "d", moduleId: "m", output });
    expect(properties(parsed.sections).app).toEqual(app);
  });

  it("with a bag that cannot be decoded is malformed, which is no reason to close", () => {
    const parsed = parseClientTopic("devices/d/messages/events/k=%ZZ");
    expect(parsed).toMatchObject({ kind: "malformed", mustClose: false });
  });

  it("belongs to the identity with exactly its ids", () => {
    const topic = telemetry("devices/d/modules/m/messages/events/");
    expect(isOwnTopic(topic, { deviceId: "d", moduleId: "m" })).toBe(true);
    expect(isOwnTopic(topic, { deviceId: "d", moduleId: null })).toBe(false);
    expect(isOwnTopic(topic, { deviceId: "D", moduleId: "m" })).toBe(false);
    expect(isOwnTopic(telemetry("devices/d/messages/events"), { deviceId: "d", moduleId: "m" })).toBe(false);
  });
});

it.each<[string, object]>([
  ["$iothub/twin/GET/?$rid=7", { kind: "twin_get", rid: "7" }],
  ["$iothub/twin/GET/?%24rid=a%20b", { kind: "twin_get", rid: "a%20b" }],
  ["$iothub/twin/PATCH/properties/reported/?$rid=7&x", { kind: "twin_patch", rid: "7" }],
  ["$iothub/twin/GET/", { kind: "malformed", mustClose: true }],
  ["$iothub/twin/GET/?x=7", { kind: "malformed", mustClose: true }],
  ["$iothub/twin/POST/?$rid=7", { kind: "malformed", mustClose: true }],
  ["$iothub/methods/res/200/?$rid=7", { kind: "method_result", status: 200, rid: "7" }],
  ["$iothub/methods/res/-1/?$rid=7", { kind: "method_result", status: -1, rid: "7" }],
  ["$iothub/methods/res/ok/?$rid=7", { kind: "malformed", mustClose: false }],
  ["$iothub/methods/res/200/?", { kind: "malformed", mustClose: false }],
  ["$iothub/other", { kind: "unknown" }],
  ["devices/d/messages/event", { kind: "unknown" }],
  ["devices/d/messages/eventsX", { kind: "unknown" }],
  ["devices//messages/events", { kind: "unknown" }],
  ["devices/d/modules//messages/events", { kind: "unknown" }],
  ["devices/d/modules/m/more/messages/events", { kind: "unknown" }],
  ["my/own/topic", { kind: "unknown" }],
  ["", { kind: "unknown" }],
])("topic %s", (topic, expected) => {
  expect(parseClientTopic(topic)).toMatchObject(expected);
});

describe("a topic filter", () => {
  it.each([
    ["$iothub/methods/POST/#", "methods"],
    ["$iothub/twin/PATCH/properties/desired/#", "desired"],
    ["$iothub/twin/res/#", "twin_results"],
    ["$iothub/twin/res/+", null],
    ["devices/d/messages/devicebound/#", "devicebound"],
    ["devices/d/modules/m/#", "inputs"],
    ["devices/d/modules/m/inputs/#", "inputs"],
    ["devices/d/modules/m/inputs/in1/#", "inputs"],
    ["devices/d/modules//#", null],
    ["devices//modules/m/#", null],
    ["devices/d/modules/m", null],
    ["#", null],
    ["my/own/#", null],
  ])("%s asks for %s", (filter, expected) => {
    expect(classifyFilter(filter)).toBe(expected);
  });

  it("of 64 KB made to backtrack is judged at once", () => {
    const filter = `devices/${"/modules/".repeat(7_000)}x`;
    const before = performance.now();
    expect(classifyFilter(filter)).toBeNull();
    expect(performance.now() - before).toBeLessThan(50);
  });
});

describe("a topic to a client", () => {
  it("has a segment behind the input's name, as the SDK's pattern demands", () => {
    const topic = inputTopic("d", "m", "in1", "%24.cdid=d")!.toString();
    expect(topic).toBe("devices/d/modules/m/inputs/in1/%24.cdid=d");
    expect(topic).toMatch(/^devices\/d\/modules\/m\/inputs\/([^/]+)\/(.+)$/);
  });

  it("has no wildcard, whatever the input is called [MQTT-3.3.2-2]", () => {
    expect(inputTopic("d", "m", "a/+#\0", "b")!.toString()).toBe(
      "devices/d/modules/m/inputs/a%2F%2B%23%00/b",
    );
  });

  it("has the slash behind devicebound even without a bag", () => {
    expect(deviceboundTopic("d", "")!.toString()).toBe("devices/d/messages/devicebound/");
  });

  it("longer than MQTT allows is none", () => {
    expect(inputTopic("d", "m", "i", "x".repeat(65_535))).toBeNull();
    expect(inputTopic("d", "m", "i", "x".repeat(65_535 - 30))).not.toBeNull();
  });
});
