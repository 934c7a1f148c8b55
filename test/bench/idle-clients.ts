/** Many MQTT connections that log in and then only ping: what a site looks like at night. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { generate } from "mqtt-packet";
import { BenchError } from "./bench-error.ts";
import type { Login } from "./credentials.ts";

const KEEP_ALIVE_SECONDS = 60;
/** Pings of all connections are spread over the keep-alive in so many turns. */
const PING_TURNS = 600;
/** Connects under way at once. */
const CONNECTING_MAX = 64;
const PINGREQ = Buffer.from([0xc0, 0]);
const CONNACK_ACCEPTED = "20020000";

export class IdleClients implements Disposable {
  readonly #sockets: Socket[] = [];
  #lost = 0;
  #turn = 0;
  readonly #pinging = setInterval(() => this.#pingSome(), (KEEP_ALIVE_SECONDS * 1000) / PING_TURNS).unref();

  /** Those that have ended by themselves. */
  get lost(): number {
    return this.#lost;
  }

  /** Resolves when all are accepted, to how long that took, ms. @throws {BenchError} SP_BENCH_CLIENT */
  async connect(port: number, isSecure: boolean, logins: readonly Login[]): Promise<number> {
    const begun = performance.now();
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < logins.length) await this.#connectOne(port, isSecure, logins[next++]!);
    };
    await Promise.all(Array.from({ length: CONNECTING_MAX }, worker));
    return performance.now() - begun;
  }

  async #connectOne(port: number, isSecure: boolean, login: Login): Promise<void> {
    const place = { host: "127.0.0.1", port };
    // What is measured is the server: whom it is, is known.
    const socket = isSecure ? connectTls({ ...place, rejectUnauthorized: false }) : connect(place);
    await once(socket, isSecure ? "secureConnect" : "connect");
    const { clientId, username } = login;
    const password = Buffer.from(login.password);
    const fields = {
      protocolId: "MQTT",
      protocolVersion: 4,
      clean: true,
      keepalive: KEEP_ALIVE_SECONDS,
    } as const;
    socket.write(generate({ cmd: "connect", clientId, username, password, ...fields }));
    const answer = await new Promise<Buffer>((resolve, reject) => {
      const gone = () =>
        reject(new BenchError("SP_BENCH_CLIENT", `"${clientId}" was cut before its CONNACK`));
      socket.once("data", resolve).once("error", reject).once("close", gone);
    });
    if (answer.toString("hex") !== CONNACK_ACCEPTED) {
      throw new BenchError("SP_BENCH_CLIENT", `"${clientId}" was refused: ${answer.toString("hex")}`);
    }
    socket.on("error", () => undefined);
    socket.on("close", () => this.#lost++);
    socket.resume();
    this.#sockets.push(socket);
  }

  #pingSome(): void {
    for (let i = this.#turn++ % PING_TURNS; i < this.#sockets.length; i += PING_TURNS) {
      this.#sockets[i]!.write(PINGREQ);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#pinging);
    for (const socket of this.#sockets) socket.removeAllListeners("close").destroy();
  }
}
