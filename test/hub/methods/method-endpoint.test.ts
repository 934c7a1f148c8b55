/** Methods over HTTPS: who may call, and what each way to fail looks like (contract §7.4). */
import { describe, expect, test } from "vitest";
import type { KeyedIdentity, MethodResult } from "../../../hub/face.ts";
import { keysOf, toIdentity } from "../../../hub/identity/identity.ts";
import { newKeys } from "../../../hub/identity/keys.ts";
import { createSasToken, verifySasToken } from "../../../hub/identity/sas.ts";
import { MethodError, type MethodCall, type MethodTargetName } from "../../../hub/methods/method-call.ts";
import { methodRoute } from "../../../hub/methods/method-endpoint.ts";
import type { WebRequest } from "../../../hub/websocket/router.ts";

const caller: KeyedIdentity = { deviceId: "gw", moduleId: "caller", ...newKeys(), enabled: true };
const disabled: KeyedIdentity = { deviceId: "gw", moduleId: "off", ...newKeys(), enabled: false };

class Calls {
  readonly got: { name: MethodTargetName; call: MethodCall }[] = [];
  failure: Error | null = null;
  isLoading = false;
  readonly route = methodRoute({
    credentials: {
      find: ({ moduleId }) =>
        this.isLoading
          ? undefined
          : ([caller, disabled].map(toIdentity).find((known) => known.moduleId === moduleId) ?? null),
      verify: (token, identity) => {
        const { deviceId, moduleId = null } = identity;
        const audience = { hosts: ["hub"], deviceId, moduleId };
        return verifySasToken(token, audience, keysOf(identity), Date.now());
      },
    },
    methods: {
      invoke: async (name, call): Promise<MethodResult> => {
        this.got.push({ name, call });
        if (this.failure !== null) throw this.failure;
        return { status: 207, payload: { ok: true } };
      },
    },
    gatewayId: "gw",
  });

  async ask({ url = "/twins/leaf/modules/m%2Bm/methods", ...change }: Asked = {}): Promise<{
    status: number;
    body: Record<string, unknown>;
  }> {
    const [path = "", query] = url.split("?");
    const { status, body } = await this.route.answer({
      ...request,
      path,
      query: new URLSearchParams(query),
      ...change,
    });
    return { status, body: body as Record<string, unknown> };
  }
}

type Asked = Partial<Omit<WebRequest, "path" | "query">> & { readonly url?: string };

const tokenOf = ({ moduleId, primaryKey }: KeyedIdentity): string =>
  createSasToken(`hub/devices/gw/modules/${moduleId}`, primaryKey, Date.now() / 1000 + 60);

const headers = { authorization: tokenOf(caller), "x-ms-edge-moduleid": "gw/caller" };
const request = {
  method: "POST",
  headers,
  body: Buffer.from('{"methodName":"reboot","payload":5,"responseTimeoutInSeconds":7}'),
};

test("a call of a module goes to its callee, and the answer comes back whole", async () => {
  const calls = new Calls();
  expect(await calls.ask()).toEqual({ status: 200, body: { status: 207, payload: { ok: true } } });
  expect(await calls.ask({ url: "/twins/leaf/methods?api-version=2021-04-12" })).toMatchObject({
    status: 200,
  });
  expect(calls.got.map(({ name }) => name)).toEqual([
    { deviceId: "leaf", moduleId: "m+m" },
    { deviceId: "leaf", moduleId: null },
  ]);
  expect(calls.got[0]!.call).toMatchObject({ name: "reboot", responseTimeoutMs: 7_000 });
});

test("a token in the query counts before one in a header", async () => {
  const calls = new Calls();
  const inQuery = `/twins/leaf/methods?Authorization=${encodeURIComponent(tokenOf(caller))}`;
  const other = { ...headers, authorization: "nothing" };
  expect(await calls.ask({ url: inQuery, headers: other })).toMatchObject({ status: 200 });
  expect(await calls.ask({ url: "/twins/leaf/methods?Authorization=x" })).toMatchObject({ status: 401 });
});

test.for([
  "/twins/leaf",
  "/twins//methods",
  "/twins/a/modules/methods",
  "/",
  "/x/twins/a/methods",
  "/twins/a/methods/x",
])("%s is none of its paths", (path) => expect(new Calls().route.path.test(path)).toBe(false));

describe("a request is refused", () => {
  const with_ = (extra: Record<string, string | undefined>) => ({ headers: { ...headers, ...extra } });
  test.for<[string, Asked, number, string]>([
    ["whose callee is no text", { url: "/twins/%ff/methods" }, 400, "ArgumentInvalid"],
    ["that names no caller", with_({ "x-ms-edge-moduleid": undefined }), 400, "ArgumentInvalid"],
    ["whose caller is a device", with_({ "x-ms-edge-moduleid": "gw" }), 400, "ArgumentInvalid"],
    [
      "whose caller is of another gateway",
      with_({ "x-ms-edge-moduleid": "gw2/caller" }),
      401,
      "IotHubUnauthorizedAccess",
    ],
    ["whose caller is unknown", with_({ "x-ms-edge-moduleid": "gw/x" }), 401, "IotHubUnauthorizedAccess"],
    [
      "whose caller is disabled",
      { headers: { "x-ms-edge-moduleid": "gw/off", authorization: tokenOf(disabled) } },
      401,
      "IotHubUnauthorizedAccess",
    ],
    ["without a token", with_({ authorization: undefined }), 401, "IotHubUnauthorizedAccess"],
    [
      "with another module's token",
      with_({ authorization: tokenOf(disabled) }),
      401,
      "IotHubUnauthorizedAccess",
    ],
    ["that is no JSON", { body: Buffer.from("{") }, 400, "ArgumentInvalid"],
    ["without a method", { body: Buffer.from("{}") }, 400, "ArgumentInvalid"],
  ])("%s", async ([, change, status, name]) => {
    const calls = new Calls();
    const answer = await calls.ask(change);
    expect(answer.status).toBe(status);
    expect(answer.body["Message"]).toMatch(new RegExp(`^ErrorCode:${name};`));
    expect(calls.got).toEqual([]);
  });

  test("while identities are not known yet, with a status that is tried again", async () => {
    const calls = new Calls();
    calls.isLoading = true;
    expect(await calls.ask()).toMatchObject({ status: 503 });
  });
});

test.for([
  ["SP_METHOD_OFFLINE", 404, 404_103],
  ["SP_METHOD_TIMEOUT", 504, 504_101],
  ["SP_METHOD_BUSY", 429, 429_001],
  ["SP_METHOD_RESULT", 502, 502_101],
] as const)("%s has the status and number that clients know", async ([code, status, errorCode]) => {
  const calls = new Calls();
  calls.failure = new MethodError(code, "why");
  expect(await calls.ask()).toMatchObject({ status, body: { errorCode, message: "why" } });
});

test("a bug says no more than that it is one", async () => {
  const calls = new Calls();
  calls.failure = new Error("secret");
  const answer = await calls.ask();
  expect(answer.status).toBe(500);
  expect(JSON.stringify(answer.body)).not.toContain("secret");
});
