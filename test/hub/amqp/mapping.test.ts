/** Messages to frames and back, addresses and audiences, as values. */
import rhea, { type Message } from "rhea";
import { expect, test } from "vitest";
import {
  Block,
  decodeFrame,
  encodeProperties,
  frameLength,
  PROPERTY_ID,
  PROPERTY_TYPE,
  sections,
  writeFrame,
} from "../../../abi/index.ts";
import { parseAddress, parseAudience } from "../../../hub/amqp/address.ts";
import { toFrameParts, writeMessage, type Delivery, type Incoming } from "../../../hub/amqp/mapping.ts";
import { MessageReader } from "../../../hub/amqp/message.ts";
import { Writer } from "../../../hub/amqp/writer.ts";

const { types } = rhea;
const DELIVERY: Delivery = {
  input: "in",
  sender: { deviceId: "d", moduleId: "m" },
  attempts: 0,
  sequence: 9,
  lockToken: null,
};

const partsOf = (message: object): Incoming | string => {
  const bytes = rhea.message.encode({
    body: rhea.message.data_section(Buffer.from("b")),
    ...message,
  } as unknown as Message);
  const reader = new MessageReader();
  return reader.read(bytes, 0, bytes.length) ? toFrameParts(reader) : "unread";
};

/** Through a frame and out again. */
function roundTrip(message: object, delivery: Partial<Delivery> = {}) {
  const { sections, body } = partsOf(message) as Incoming;
  const block = Block.allocate(frameLength(sections, body.length));
  writeFrame(block, 0, 1, 1_700_000_000_000, sections, body, 0, body.length);
  const writer = new Writer();
  writeMessage(writer, block, 0, { ...DELIVERY, ...delivery });
  return {
    frame: decodeFrame(block, 0),
    message: rhea.message.decode(Buffer.from(writer.view())) as unknown as Message,
  };
}

test.for<readonly [string, unknown]>([
  ["a string", "id ä"],
  ["a uuid", Buffer.from("0102030405060708090a0b0c0d0e0f10", "hex")],
  ["a ulong", 77],
  ["a ulong beyond 2^53", types.wrap_ulong(Buffer.from("ffffffffffffffff", "hex") as never)],
  ["a binary", types.wrap_binary(Buffer.from([0, 255]))],
])("a message id that is %s comes out as it went in", ([, id]) => {
  const plain = (value: unknown) => (value as { value?: unknown })?.value ?? value;
  const { message } = roundTrip({ message_id: id, correlation_id: id });
  expect(message.message_id).toEqual(plain(id));
  expect(message.correlation_id).toEqual(plain(id));
});

test("application properties keep their types, and those that a frame cannot hold are left out", () => {
  const properties = {
    text: "ä",
    empty: "",
    nothing: null,
    yes: true,
    no: false,
    negative: -5,
    long: types.wrap_long(-(2 ** 40)),
    ulong: types.wrap_ulong(2 ** 40),
    double: types.wrap_double(0.25),
    time: types.wrap_timestamp(1_700_000_000_123),
    binary: types.wrap_binary(Buffer.from([1, 2])),
    list: types.wrap_list([1 as never]),
  };
  const { frame, message } = roundTrip({ application_properties: properties });
  expect(frame.properties.map(({ name, type, value }) => [name, type, value])).toEqual([
    ["text", PROPERTY_TYPE.UTF8, "ä"],
    ["empty", PROPERTY_TYPE.UTF8, ""],
    ["nothing", PROPERTY_TYPE.NULL, null],
    ["yes", PROPERTY_TYPE.BOOL, "true"],
    ["no", PROPERTY_TYPE.BOOL, "false"],
    ["negative", PROPERTY_TYPE.I64, "-5"],
    ["long", PROPERTY_TYPE.I64, String(-(2 ** 40))],
    ["ulong", PROPERTY_TYPE.U64, String(2 ** 40)],
    ["double", PROPERTY_TYPE.F64, "0.25"],
    ["time", PROPERTY_TYPE.TIME, "2023-11-14T22:13:20.123Z"],
    ["binary", PROPERTY_TYPE.BINARY, "AQI="],
  ]);
  const out: Record<string, unknown> = { ...message.application_properties };
  expect(out).toEqual({
    text: "ä",
    empty: "",
    nothing: null,
    yes: true,
    no: false,
    negative: -5,
    long: -(2 ** 40),
    ulong: 2 ** 40,
    double: 0.25,
    time: new Date(1_700_000_000_123),
    binary: Buffer.from([1, 2]),
  });
});

test("system properties have their places on the way in and on the way out", () => {
  const { frame, message } = roundTrip({
    user_id: Buffer.from("u"),
    to: "/t",
    content_type: "application/json",
    content_encoding: "utf-8",
    absolute_expiry_time: new Date(1e12),
    creation_time: new Date(2e12),
    subject: "dropped",
    message_annotations: { "iothub-interface-id": "i", "dt-subject": "s", other: "dropped" },
    application_properties: {
      "iothub-message-schema": "x",
      "iothub-operation": "o",
      "iothub-ack": "full",
      a: "b",
      "iothub-connection-device-id": "forged",
      "$.cdid": "forged",
      "iothub-outputname": "out",
    },
  });
  expect(Object.fromEntries(frame.systemProperties.map(({ name, value }) => [name, value]))).toEqual({
    userId: "u",
    to: "/t",
    contentType: "application/json",
    contentEncoding: "utf-8",
    "absolute-expiry-time": "2001-09-09T01:46:40.000Z",
    creationTime: "2033-05-18T03:33:20.000Z",
    "iothub-interface-id": "i",
    "dt-subject": "s",
    messageSchema: "x",
    operation: "o",
    ack: "full",
  });
  expect(frame.properties.map(({ name }) => name)).toEqual(["a"]);
  expect(message).toMatchObject({ to: "/t", content_type: "application/json", content_encoding: "utf-8" });
  expect(message.user_id).toEqual(Buffer.from("u"));
  expect(message.absolute_expiry_time).toEqual(new Date(1e12));
  expect(message.application_properties).toEqual({
    "iothub-message-schema": "x",
    "iothub-operation": "o",
    "iothub-ack": "full",
    a: "b",
  });
  expect(message.message_annotations).toMatchObject({
    "iothub-interface-id": "i",
    "dt-subject": "s",
    "x-opt-input-name": "in",
    "iothub-connection-device-id": "d",
    "iothub-connection-module-id": "m",
    "x-opt-sequence-number": 9,
    "iothub-enqueuedtime": new Date(1_700_000_000_000),
  });
});

test("a change of a twin comes as if from whoever it is about; nobody but the hub may say so", () => {
  const told = (sender: string | null, module: string | null) => {
    const about = [
      { id: PROPERTY_ID.CHANGED_DEVICE_ID, value: "leaf" },
      ...(module === null ? [] : [{ id: PROPERTY_ID.CHANGED_MODULE_ID, value: module }]),
    ];
    const parts = sections(encodeProperties(about), encodeProperties([]));
    const block = Block.allocate(frameLength(parts, 0));
    writeFrame(block, 0, 1, 0, parts, Buffer.alloc(0), 0, 0);
    const writer = new Writer();
    writeMessage(writer, block, 0, { ...DELIVERY, sender: { deviceId: "gw", moduleId: sender } });
    const message = rhea.message.decode(Buffer.from(writer.view())) as unknown as Message;
    const annotations = message.message_annotations as Readonly<Record<string, unknown>>;
    return [annotations["iothub-connection-device-id"], annotations["iothub-connection-module-id"]];
  };
  expect(told("$edgeHub", "m")).toEqual(["leaf", "m"]);
  expect(told("$edgeHub", null)).toEqual(["leaf", undefined]);
  expect(told("filter", "m")).toEqual(["gw", "filter"]);
});

test("the output's name is told apart, and a body may be text or bytes, in one part or several", () => {
  const bodyOf = (body: unknown) => (partsOf({ body }) as Incoming).body.toString();
  expect(partsOf({ application_properties: { "iothub-outputname": "out" } })).toMatchObject({
    output: "out",
  });
  expect(bodyOf(rhea.message.data_sections([Buffer.from("one"), Buffer.from("two")] as never))).toBe(
    "onetwo",
  );
  expect(bodyOf("text")).toBe("text");
  expect(bodyOf(Buffer.from("bytes"))).toBe("bytes");
  expect(bodyOf(null)).toBe("");
  expect(partsOf({ body: 5 })).toBe("malformed");
  expect(partsOf({ body: rhea.message.sequence_section([1] as never) })).toBe("malformed");
});

test("too many properties, a name of 257 bytes, and 256 KB with properties are refused", () => {
  const many = Object.fromEntries(Array.from({ length: 129 }, (_, i) => [`p${i}`, "x"]));
  expect(partsOf({ application_properties: many })).toBe("malformed");
  expect(partsOf({ application_properties: { ["n".repeat(257)]: "x" } })).toBe("malformed");
  const body = rhea.message.data_section(Buffer.alloc(262_144));
  expect(partsOf({ body })).not.toBe("too_large");
  expect(partsOf({ body, application_properties: { a: "b" } })).toBe("too_large");
});

test.for([
  ["/devices/d/messages/events", false, "events", "d", null],
  ["devices/d/modules/m/messages/events", false, "events", "d", "m"],
  ["/DEVICES/d/Modules/m/MESSAGES/Events", true, "inputs", "d", "m"],
  ["amqps://gateway.local:5671/devices/d/messages/deviceBound", true, "devicebound", "d", null],
  ["/devices/a%2Fb/twin", true, "twin", "a/b", null],
  ["/devices/d/modules/m/methods/devicebound", false, "methods", "d", "m"],
] as const)("%s (client receives: %s) is %s of %s/%s", ([address, isReceiver, kind, deviceId, moduleId]) => {
  expect(parseAddress(address, isReceiver)).toEqual({ kind, identity: { deviceId, moduleId } });
});

test.for([
  null,
  "",
  "/",
  "/devices",
  "/devices//twin",
  "/devices/d",
  "/devices/d/twins",
  "/devices/d/modules/m",
  "/devices/d/modules//twin",
  "amqps://host",
  "/devices/%zz/twin",
  `/devices/${"d".repeat(2000)}/twin`,
])("%s is no address", (address) => {
  expect(parseAddress(address, true)).toBe("not_found");
});

test("audiences are read escaped and plain, and nothing else is one", () => {
  const module = { deviceId: "d", moduleId: "m" };
  expect(parseAudience("hub%2Fdevices%2Fd%2Fmodules%2Fm")).toEqual(module);
  expect(parseAudience("amqps://hub/devices/d/modules/m")).toEqual(module);
  expect(parseAudience("hub/Devices/d")).toEqual({ deviceId: "d", moduleId: null });
  for (const none of [
    "",
    "hub",
    "hub/devices",
    "hub/devices/",
    "hub/devices/d/modules",
    "hub/devices/d/x/m",
    "a/b/c/d/e/f",
  ]) {
    expect(parseAudience(none)).toBeNull();
  }
});
