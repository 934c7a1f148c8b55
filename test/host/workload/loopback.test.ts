/** The workload API over TCP: who asks is who the kernel says, whatever the request says. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { ownerInRow, userAtPeer } from "../../../host/workload/peer-user.ts";
import { serveLoopback } from "../../../host/workload/loopback.ts";
import type { Identity } from "../../../hub/index.ts";
import { ask, SmallGateway, VERSION } from "./small-gateway.ts";

const isLinux = process.platform === "linux";
const uid = process.getuid!();
const isRoot = uid === 0;
const OTHER_UID = 12_345;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function start(
  users: Readonly<Record<string, number>>,
): Promise<{ gateway: SmallGateway; port: number }> {
  const gateway = await SmallGateway.start({ port: 0, users });
  ends.push(() => gateway.stop());
  await gateway.add("reader");
  const name = Object.keys(users)[0]!;
  if (name !== "reader") await gateway.add(name);
  const { variables } = await gateway.workload.environment(name);
  return { gateway, port: Number(new URL(variables["IOTEDGE_WORKLOADURI"]!).port) };
}

const SIGN = { keyId: "primary", algo: "HMACSHA256", data: "YQ==" };
const pathOf = ({ moduleId, generationId }: Pick<Identity, "moduleId" | "generationId">): string =>
  `/modules/${moduleId}/genid/${generationId}/sign`;
const generationOf = async (gateway: SmallGateway, moduleId: string): Promise<string> =>
  (await gateway.workload.environment(moduleId)).variables["IOTEDGE_MODULEGENERATIONID"]!;

describe.skipIf(!isLinux)("over the loopback", () => {
  test("the user that a module is given to signs for it, and for no other module", async () => {
    const { gateway, port } = await start({ reader: uid });
    const generationId = await generationOf(gateway, "reader");
    const told = await ask(port, { path: pathOf({ moduleId: "reader", generationId }), body: SIGN });
    expect(told.status).toBe(200);
    const other = await gateway.add("other");
    expect((await ask(port, { path: pathOf(other), body: SIGN })).status).toBe(403);
    expect((await ask(port, { path: "/modules" })).body).toMatchObject({ modules: [{ name: "reader" }] });
  });

  test("a user without a module is cut off before anything is read, and the log says so once in a while", async () => {
    const { gateway, port } = await start({ reader: uid + 1 });
    await expect(ask(port, { path: "/trust-bundle" })).rejects.toMatchObject({ code: "ECONNRESET" });
    await expect(ask(port, { path: "/trust-bundle" })).rejects.toMatchObject({ code: "ECONNRESET" });
    const warnings = gateway.logged.filter(({ level }) => level === "warn");
    expect(warnings.map(({ fields }) => fields)).toEqual([{ uid, closed: 1 }]);
  });

  test.skipIf(!isRoot)(
    "a process of another user speaks for the module that is given to that user",
    async () => {
      const { port } = await start({ mine: OTHER_UID });
      const script = `require("node:http").get({ host: "127.0.0.1", port: ${port}, path: "/modules?${VERSION}" },
      (response) => response.pipe(process.stdout)).on("error", ({ code }) => console.log(code))`;
      const outOf = async (user: number): Promise<string> => {
        const child = spawn(process.execPath, ["-e", script], { uid: user, gid: user, cwd: "/" });
        let text = "";
        child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
        await once(child, "close");
        return text.trim();
      };
      expect(JSON.parse(await outOf(OTHER_UID))).toMatchObject({ modules: [{ name: "mine" }] });
      expect(await outOf(OTHER_UID + 1)).toBe("ECONNRESET");
    },
  );

  test("a page whose name leads to the loopback gets nothing", async () => {
    const { gateway, port } = await start({ reader: uid });
    const generationId = await generationOf(gateway, "reader");
    const path = pathOf({ moduleId: "reader", generationId });
    const told = await ask(port, { path, body: SIGN, host: "evil.example" });
    expect(told.status).toBe(421);
  });

  test("a disabled module's user gets nothing signed", async () => {
    const { gateway, port } = await start({ reader: uid });
    const generationId = await generationOf(gateway, "reader");
    await gateway.change((all) => all.map((one) => ({ ...one, enabled: false })));
    const told = await ask(port, { path: pathOf({ moduleId: "reader", generationId }), body: SIGN });
    expect(told.status).toBe(404);
  });

  test("a connection on which nothing is said ends with the gateway", async () => {
    const { gateway, port } = await start({ reader: uid });
    const silent = connect(port, "127.0.0.1");
    await once(silent, "connect");
    expect((await ask(port, { path: "/modules" })).status).toBe(200);
    const closed = once(silent.on("error", () => undefined).resume(), "close");
    await gateway.workload.close();
    await closed;
  });

  test("a port that is taken is an error that names it", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    ends.push(() => taken.close());
    const { port } = taken.address() as AddressInfo;
    const served = { backend: undefined as never, log: undefined as never };
    await expect(serveLoopback({ port, users: {} }, served)).rejects.toMatchObject({
      code: "SP_WORKLOAD_PORT",
      details: { port },
    });
  });

  test("the user at the other end is found for sockets of either family, and nobody once it is gone", async () => {
    const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    ends.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    for (const host of ["127.0.0.1", "::ffff:127.0.0.1"]) {
      const accepted = once(server, "connection") as Promise<[import("node:net").Socket]>;
      const client = connect(port, host);
      const [socket] = await accepted;
      const connection = {
        peerAddress: socket.remoteAddress!,
        peerPort: socket.remotePort!,
        ownAddress: socket.localAddress!,
        ownPort: socket.localPort!,
      };
      expect(await userAtPeer(connection)).toBe(uid);
      expect(await userAtPeer({ ...connection, peerPort: connection.ownPort })).toBeNull();
      client.destroy();
      await once(client, "close");
      expect(await userAtPeer(connection)).toBeNull();
      socket.destroy();
    }
  });
});

describe("a row of the kernel's table", () => {
  const place = { peerAddress: "127.0.0.1", peerPort: 0xabcd, ownAddress: "127.0.0.2", ownPort: 0x15 };
  const row = (local: string, remote: string, state = "01", owner = "1001"): string =>
    `  12: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000  ${owner}        0 34567 1 0000`;

  test("is the peer's when both of its ends fit, in either order of bytes and either family", () => {
    expect(ownerInRow(row("0100007F:ABCD", "0200007F:0015"), place, "LE")).toBe(1001);
    expect(ownerInRow(row("7F000001:ABCD", "7F000002:0015"), place, "BE")).toBe(1001);
    const mapped = (hex: string) => `0000000000000000FFFF0000${hex}`;
    const six = row(`${mapped("0100007F")}:ABCD`, `${mapped("0200007F")}:0015`);
    expect(ownerInRow(six, place, "LE")).toBe(1001);
  });

  test.for([
    ["the gateway's own end", row("0200007F:0015", "0100007F:ABCD")],
    ["another port", row("0100007F:ABCE", "0200007F:0015")],
    ["another address", row("0300007F:ABCD", "0200007F:0015")],
    [
      "one that has been closed, which belongs to root then",
      row("0100007F:ABCD", "0200007F:0015", "04", "0"),
    ],
    ["the heading", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid"],
    ["nothing", ""],
    ["a row without a user", row("0100007F:ABCD", "0200007F:0015", "01", "x")],
  ] as const)("is not when it is %s", ([, text]) => expect(ownerInRow(text, place, "LE")).toBeNull());
});
