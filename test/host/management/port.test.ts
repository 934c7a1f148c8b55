/** The management API on a port of the loopback: who is heard there, and who is not. */
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { request, type OutgoingHttpHeaders } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { gatewayPaths } from "../../../host/folder/gateway-folder.ts";
import { takeManagementToken } from "../../../host/folder/management-token.ts";
import type { Log } from "../../../host/log.ts";
import { createManagementClient } from "../../../host/management/client.ts";
import { startManagementServer } from "../../../host/management/server.ts";
import { runCommand } from "../../toolchain/operate/run-command.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { quietLog } from "../fake-parts.ts";
import { createFakeBackend } from "./fake-backend.ts";

const REFUSAL_DELAY_MS = 50;

async function start(log: Log = quietLog) {
  const dir = await tempDir();
  const { run, socket, managementToken: tokenFile } = gatewayPaths(dir);
  await mkdir(run);
  const token = await takeManagementToken(tokenFile);
  const server = await startManagementServer(createFakeBackend(), {
    socket,
    bodyBytesMax: 64 * 1024,
    log,
    port: { address: "127.0.0.1:0", token, refusalDelayMs: REFUSAL_DELAY_MS },
  });
  onTestFinished(() => server.close());
  const url = server.url!;
  const ask = (headers: OutgoingHttpHeaders, path = "/devices", method = "GET") =>
    new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; text: string }>(
      (resolve, reject) => {
        request(`${url}${path}`, { method, headers, agent: false }, (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (chunk: string) => void (text += chunk));
          response.once("end", () =>
            resolve({ status: response.statusCode!, headers: response.headers, text }),
          );
        })
          .once("error", reject)
          .end();
      },
    );
  return { dir, url, token, tokenFile, server, ask, bearer: { authorization: `Bearer ${token}` } };
}

test("the token is made for its owner alone, is the same from then on, and another without its file", async () => {
  const file = join(await tempDir(), "management.token");
  const token = await takeManagementToken(file);
  expect(Buffer.from(token, "base64url")).toHaveLength(32);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await takeManagementToken(file)).toBe(token);
  rmSync(file);
  expect(await takeManagementToken(file)).not.toBe(token);
});

test("a token that others can read, or that is none, is refused and not shown", async () => {
  const file = join(await tempDir(), "management.token");
  const token = await takeManagementToken(file);
  chmodSync(file, 0o644);
  const open = (await takeManagementToken(file).catch((error: unknown) => error)) as Error;
  expect(open).toMatchObject({ code: "SP_TOKEN_FILE", hint: `chmod 600 ${file}` });
  chmodSync(file, 0o600);
  writeFileSync(file, token.slice(0, 20));
  const short = (await takeManagementToken(file).catch((error: unknown) => error)) as Error;
  expect(short).toMatchObject({ code: "SP_TOKEN_FILE" });
  expect(JSON.stringify([open.message, short.message])).not.toContain(token.slice(0, 20));
  expect(readFileSync(file, "utf8")).toBe(token.slice(0, 20));
});

test("whoever shows the token is heard, by any name of the loopback", async () => {
  const { ask, bearer, url } = await start();
  const { port } = new URL(url);
  for (const host of ["127.0.0.1", `localhost:${port}`, "[::1]:1", "127.0.0.53:8088"]) {
    expect((await ask({ ...bearer, host })).status, host).toBe(200);
  }
});

test.for([
  ["no token", {}],
  ["a wrong token", { authorization: `Bearer ${"A".repeat(43)}` }],
  ["an empty token", { authorization: "Bearer " }],
  ["another way to prove it", { authorization: "Basic Z3c6Z3c=" }],
] as const)("%s is refused, late, before anything of the request is read", async ([, headers]) => {
  const { ask } = await start();
  const begun = performance.now();
  const answer = await ask({ ...headers, "content-length": 5 * 1024 * 1024 }, "/nowhere");
  expect(performance.now() - begun).toBeGreaterThanOrEqual(REFUSAL_DELAY_MS - 1);
  expect(answer).toMatchObject({ status: 401, headers: { "www-authenticate": "Bearer" } });
  expect(JSON.parse(answer.text)).toMatchObject({ error: { code: "SP_REQUEST_TOKEN" } });
});

test.for(["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", "[::2]"])(
  "under the name %s nobody is heard, token or not (DNS rebinding)",
  async (host) => {
    const { ask, bearer } = await start();
    const answer = await ask({ ...bearer, host });
    expect([answer.status, JSON.parse(answer.text)]).toMatchObject([
      421,
      { error: { code: "SP_REQUEST_HOST" } },
    ]);
  },
);

test("a page of another origin is told of nothing that it may do", async () => {
  const { ask, bearer } = await start();
  const asked = { origin: "https://evil.example", "access-control-request-method": "POST" };
  for (const answer of [
    await ask({ ...bearer, ...asked }),
    await ask({ ...bearer, ...asked }, "/devices", "OPTIONS"),
  ]) {
    expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
  }
});

test("wrong tokens are logged once for all of them, and never with the token", async () => {
  const lines: string[] = [];
  const warn = (fields: object, message: string) => void lines.push(message + JSON.stringify(fields));
  const { ask, token } = await start({ ...quietLog, warn });
  const wrong = { authorization: `Bearer x${token}` };
  await Promise.all([ask(wrong), ask(wrong), ask(wrong)]);
  expect(lines).toHaveLength(1);
  expect(lines[0]).not.toContain(token);
});

test("a head that is too large ends the connection, and the port goes on", async () => {
  const { ask, bearer, url } = await start();
  const answer = await ask({ ...bearer, "x-filler": "x".repeat(10_000) }).catch((error: Error) => error);
  if (!(answer instanceof Error)) expect(answer.status).toBe(431);
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => {}).resume();
  socket.write("\0\x01nonsense\r\n\r\n");
  await new Promise((resolve) => socket.once("close", resolve));
  expect((await ask(bearer)).status).toBe(200);
});

test("a port that is taken is named, and leaves no socket behind", async () => {
  const { url } = await start();
  const dir = await tempDir();
  const { run, socket } = gatewayPaths(dir);
  await mkdir(run);
  const address = url.slice("http://".length);
  const options = { socket, bodyBytesMax: 1024, log: quietLog, port: { address, token: "t" } };
  await expect(startManagementServer(createFakeBackend(), options)).rejects.toMatchObject({
    code: "SP_MANAGEMENT_LISTEN",
    message: expect.stringContaining(address) as string,
  });
  expect(() => statSync(socket)).toThrow("ENOENT");
});

test("the commands ask over the port with SANDPIPER_URL and a copy of the token, and --dir comes first", async () => {
  const { url, tokenFile, dir } = await start();
  const env = { SANDPIPER_URL: url, SANDPIPER_TOKEN_FILE: tokenFile, SANDPIPER_DIR: "/nowhere" };
  expect(await runCommand(["device", "add", "thermo1"], env)).toMatchObject({ code: 0 });
  expect((await runCommand(["device", "list"], env)).out).toContain("thermo1");
  expect((await runCommand(["logs", "filter"], env)).out).toContain("line 0");
  expect(
    (await runCommand(["device", "list", "--dir", dir], { ...env, SANDPIPER_URL: "http://127.0.0.1:1" }))
      .code,
  ).toBe(0);
  expect(await runCommand(["device", "list"], { SANDPIPER_URL: url })).toMatchObject({
    code: 2,
    err: expect.stringContaining("SANDPIPER_TOKEN_FILE") as string,
  });
});

test.for([
  "http://10.0.0.1:8088",
  "https://127.0.0.1:8088",
  "127.0.0.1:8088",
  "http://localhost.evil.example",
])("a token is not sent to %s", (url) => {
  expect(() => createManagementClient({ url, tokenFile: "/nowhere" })).toThrowError(
    expect.objectContaining({ code: "SP_GATEWAY_URL" }) as Error,
  );
});

test("a port that nobody listens on, and a token that is not there, say so", async () => {
  const { url, tokenFile, server } = await start();
  await expect(
    createManagementClient({ url, tokenFile: `${tokenFile}.none` }).devices(),
  ).rejects.toMatchObject({
    code: "SP_GATEWAY_DENIED",
  });
  await server.close();
  await expect(createManagementClient({ url, tokenFile }).devices()).rejects.toMatchObject({
    code: "SP_GATEWAY_NOT_RUNNING",
    message: `gateway at ${url}: does not answer`,
  });
});
