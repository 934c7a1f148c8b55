import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gatewayPaths } from "../../../host/folder/gateway-folder.ts";
import { openApiDocument } from "../../../host/management/openapi.ts";
import { OPERATIONS } from "../../../host/management/operations.ts";
import { startManagementServer, type ManagementServer } from "../../../host/management/server.ts";
import { quietLog } from "../fake-parts.ts";
import { createFakeBackend, textEvent } from "./fake-backend.ts";
import { feedback, fullStatus, letter, module, waiting } from "./full-answers.ts";

interface Content {
  readonly [contentType: string]: { readonly schema: object };
}
interface Described {
  readonly operationId: string;
  readonly parameters?: readonly { name: string; in: string; required: boolean; schema: object }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
}
interface Document {
  readonly openapi: string;
  readonly info: object;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

const document = JSON.parse(JSON.stringify(openApiDocument(OPERATIONS, "1.2.3"))) as Document;
const described = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);
const byId = new Map(described.map((one) => [one.operation.operationId, one]));

/** Fields that an answer has and the document does not know are found out. */
function strict(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strict);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, strict(inner)] as const);
  const isObject = "properties" in value && "type" in value && !("additionalProperties" in value);
  return { ...Object.fromEntries(entries), ...(isObject ? { additionalProperties: false } : {}) };
}

const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false, validateFormats: false });
const pointing = (schema: unknown, to: string): object =>
  JSON.parse(JSON.stringify(schema).replaceAll("#/components/schemas/", to)) as object;
ajv.addSchema({ $id: "doc", $defs: pointing(strict(document.components.schemas), "#/$defs/") });
const judge = (schema: object) => ajv.compile(pointing(strict(schema), "doc#/$defs/"));

describe("the document", () => {
  test("has what OpenAPI 3.1 asks for: its version, a title, responses with descriptions, names used once", () => {
    expect(document.openapi).toBe("3.1.0");
    expect(document.info).toMatchObject({ title: expect.any(String) as string, version: "1.2.3" });
    expect(described.length).toBe(OPERATIONS.length);
    expect(byId.size).toBe(described.length);
    for (const { operation } of described) {
      expect(operation.operationId).toMatch(/^[a-z][A-Za-z]+$/);
      for (const [status, { description }] of Object.entries(operation.responses)) {
        expect(status).toMatch(/^(?:[245]\d\d|default)$/);
        expect(description).not.toBe("");
      }
      expect(Object.keys(operation.responses).some((status) => status.startsWith("2"))).toBe(true);
    }
  });

  test("declares each parameter of a path, as one that must be there", () => {
    for (const { path, operation } of described) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
      const declared = (operation.parameters ?? []).filter((one) => one.in === "path");
      expect(declared.map(({ name }) => name).toSorted(), path).toEqual(named.toSorted());
      expect(declared.every(({ required }) => required)).toBe(true);
    }
  });

  test("has schemas that compile, and references that lead somewhere", () => {
    for (const schema of Object.values(document.components.schemas)) judge(schema);
    for (const { operation } of described) {
      const contents = [operation.requestBody, ...Object.values(operation.responses)].flatMap((one) =>
        Object.values(one?.content ?? {}),
      );
      for (const { schema } of contents) judge(schema);
      for (const { schema } of operation.parameters ?? []) judge(schema);
    }
    expect(Object.keys(document.components.schemas).length).toBeGreaterThan(20);
  });
});

const TEXTS = ["", "a", "a/b", "a#1", "#1", "a#x", "/", "-", "selfSigned", "desired", "ff", "x".repeat(5000)];
const PROBES: readonly unknown[] = [null, true, 0, 1, -1, 0.5, 1000, 1001, 1e15, [], {}, ...TEXTS];

test("a request is taken just when the document says that it may be", () => {
  let taken = 0;
  for (const { id, params, query, body } of OPERATIONS) {
    for (const [name, field] of Object.entries({ ...params, ...query, ...body })) {
      const isValid = judge(field.json);
      for (const probe of PROBES) {
        let isTaken = true;
        try {
          field.decode(probe, name);
          taken++;
        } catch {
          isTaken = false;
        }
        expect(isTaken, `${id} ${name} ${JSON.stringify(probe).slice(0, 30)}`).toBe(isValid(probe));
      }
    }
  }
  expect(taken).toBeGreaterThan(100);
});

type Ask = readonly [id: string, method: string, path: string, body?: unknown, status?: number];

/** In this order: later ones speak of what earlier ones made. */
const ASKED: readonly Ask[] = [
  ["getStatus", "GET", "/status"],
  ["readActivity", "GET", "/activity?waitMs=0"],
  ["listModules", "GET", "/modules"],
  ["getDeployment", "GET", "/deployment"],
  ["applyDeployment", "POST", "/deployment", { deployment: {}, baseDir: "/" }],
  ["restartModule", "POST", "/modules/filter/restart"],
  ["restartModule", "POST", "/modules/nobody/restart", undefined, 404],
  ["getModuleEnvironment", "GET", "/modules/reader/environment"],
  ["getModuleEnvironment", "GET", "/modules/nobody/environment", undefined, 404],
  ["readModuleLog", "GET", "/modules/filter/logs?lines=2"],
  ["addDevice", "POST", "/devices", { deviceId: "d" }],
  ["addDevice", "POST", "/devices", { deviceId: "d" }, 409],
  ["addDevice", "POST", "/devices", { deviceId: "d/e" }, 400],
  ["addDevice", "POST", "/devices", { deviceId: "c", certificate: "certificateAuthority" }],
  ["addDevice", "POST", "/devices", { deviceId: "d", moduleId: "m" }],
  ["listDevices", "GET", "/devices"],
  ["getDevice", "GET", "/devices/d"],
  ["getDevice", "GET", "/devices/nobody", undefined, 404],
  ["signLogin", "POST", "/logins", { deviceId: "d", validSecs: 60 }],
  ["renewDeviceKey", "POST", "/devices/d/keys", { renew: "secondary" }],
  ["renewDeviceKey", "POST", "/devices/d/keys", { renew: "both" }, 400],
  ["renewModuleIdentityKey", "POST", "/devices/d/modules/m/keys", { renew: "primary" }],
  ["setParent", "POST", "/devices/c/parent", { parent: "d" }],
  ["setParent", "POST", "/devices/c/parent", { parent: null }],
  ["disableDevice", "POST", "/devices/d/disable"],
  ["enableDevice", "POST", "/devices/d/enable"],
  ["disableModuleIdentity", "POST", "/devices/d/modules/m/disable"],
  ["enableModuleIdentity", "POST", "/devices/d/modules/m/enable"],
  ["getDeviceTwin", "GET", "/twins/d"],
  ["getModuleTwin", "GET", "/twins/d/modules/m"],
  ["changeDeviceTwin", "POST", "/twins/d", { section: "desired", patch: { a: 1 } }],
  ["changeModuleTwin", "POST", "/twins/d/modules/m", { section: "tags", patch: {}, replaces: true }],
  ["invokeDeviceMethod", "POST", "/twins/d/methods", { methodName: "reboot" }],
  ["invokeDeviceMethod", "POST", "/twins/offline/methods", { methodName: "reboot" }, 404],
  ["invokeModuleMethod", "POST", "/twins/d/modules/m/methods", { methodName: "x", payload: 1 }],
  ["removeModuleIdentity", "DELETE", "/devices/d/modules/m"],
  ["removeDevice", "DELETE", "/devices/d"],
  ["removeDevice", "DELETE", "/devices/d", undefined, 404],
  ["sendToDevice", "POST", "/devices/d/messages", { bodyBase64: "aGk=", ack: "full", timeToLiveSecs: 60 }],
  ["sendToDevice", "POST", "/devices/d/messages", { bodyBase64: "not base64" }, 400],
  ["listMessagesToDevice", "GET", "/devices/d/messages"],
  ["purgeMessagesToDevice", "DELETE", "/devices/d/messages"],
  ["readFeedback", "GET", "/feedback?tail=5"],
  ["readMessages", "GET", "/events?from=0&waitMs=0"],
  ["listQueues", "GET", "/queues"],
  ["listDeadLetters", "GET", "/deadletters?limit=5"],
  ["getDeadLetter", "GET", "/deadletters/a%2Fb/3"],
  ["replayDeadLetters", "POST", "/deadletters/a%2Fb/replay", {}],
  ["purgeDeadLetters", "DELETE", "/deadletters/a%2Fb"],
  ["purgeDeadLetter", "DELETE", "/deadletters/a%2Fb/3"],
  ["tap", "GET", "/taps?endpoint=a%2Fb&perSecond=5"],
  ["compact", "POST", "/compact"],
  ["getDocument", "GET", "/openapi.json"],
];

describe("a gateway", () => {
  let dir: string;
  let server: ManagementServer;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "sp-openapi-"));
    const { run, socket } = gatewayPaths(dir);
    await mkdir(run);
    const backend = createFakeBackend();
    backend.events.push(textEvent(0, "hot"));
    backend.status = async () => fullStatus;
    backend.modules = async () => [module];
    Object.assign(backend.hub, {
      deadLetters: async () => ({ letters: [letter], next: { endpoint: "a/b", offset: 4 } }),
      deadLetter: async () => letter,
      replayDeadLetters: async () => ({ replayed: 1, refused: 1, refusals: { no_route: 1 } }),
      purgeDeadLetters: async () => ({ purged: 2 }),
      sendDevicebound: async () => ({
        messageId: "m",
        enqueuedTime: waiting.message.enqueuedTime,
        waiting: 1,
      }),
      devicebound: async () => [waiting],
      purgeDevicebound: async () => ({ purged: 1 }),
      readFeedback: async () => ({ records: [feedback], next: 1, oldest: 0 }),
      openTap: async () => ({ tap: 1 }),
      readTap: async () => ({ events: [textEvent(0, "hot")], skipped: 1 }),
    });
    server = await startManagementServer(backend, { socket, bodyBytesMax: 64 * 1024, log: quietLog });
  });
  afterAll(async () => {
    await server.close();
    await rm(dir, { recursive: true });
  });

  const ask = (method: string, path: string, body: unknown) =>
    new Promise<{ status: number; type: string | null; text: string }>((resolve, reject) => {
      const payload = body === undefined ? undefined : JSON.stringify(body);
      request({ socketPath: gatewayPaths(dir).socket, method, path, agent: false }, (response) => {
        const type = response.headers["content-type"]?.split(";")[0] ?? null;
        let text = "";
        const done = () => resolve({ status: response.statusCode!, type, text });
        response.setEncoding("utf8").on("error", reject).once("end", done);
        response.on("data", (chunk: string) => {
          text += chunk;
          if (type !== "application/x-ndjson") return;
          response.destroy();
          done();
        });
      })
        .once("error", reject)
        .end(payload);
    });

  test.for(ASKED)("answers %s (%s %s) as the document says", async ([id, method, path, body, expected]) => {
    const { responses, requestBody } = byId.get(id)!.operation;
    if (expected === undefined && body !== undefined) {
      const isValid = judge(requestBody!.content["application/json"]!.schema);
      expect(isValid(body), JSON.stringify(isValid.errors)).toBe(true);
    }
    const { status, type, text } = await ask(method, path, body);
    const success = Number(Object.keys(responses).find((one) => one.startsWith("2")));
    expect(status).toBe(expected ?? success);
    const { content } = responses[status]!;
    if (content === undefined) return expect({ type, text }).toEqual({ type: null, text: "" });
    expect(Object.keys(content)).toEqual([type]);
    const value = type === "text/plain" ? text : (JSON.parse(text.split("\n")[0]!) as unknown);
    const isValid = judge(content[type!]!.schema);
    expect(isValid(value), JSON.stringify(isValid.errors)).toBe(true);
  });

  test("was asked all that the document has", () => {
    expect([...new Set(ASKED.map(([id]) => id))].toSorted()).toEqual([...byId.keys()].toSorted());
  });

  test("gives its own document, with its version", async () => {
    const { text } = await ask("GET", "/openapi.json", undefined);
    expect(JSON.parse(text)).toEqual({ ...document, info: { ...document.info, version: "0.0.0" } });
  });
});
