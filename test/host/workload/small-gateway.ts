/** As much of a gateway as the workload API needs: identities in a list, certificates of an authority, a folder. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCertificates } from "../../../host/certificates/index.ts";
import type { Log } from "../../../host/log.ts";
import { socketPath } from "../../../host/folder/socket-path.ts";
import { Workload, type WorkloadBackend } from "../../../host/workload/index.ts";
import type { LoopbackSettings } from "../../../host/workload/loopback.ts";
import { toIdentity } from "../../../hub/identity/identity.ts";
import { newKeys, type Identity } from "../../../hub/index.ts";

export const VERSION = "api-version=2018-06-28";

export interface Told {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export class SmallGateway {
  readonly dir = mkdtempSync(join(tmpdir(), "sandpiper-workload-"));
  readonly root = join(this.dir, "run", "workload");
  readonly logged: { readonly level: string; readonly fields: object; readonly text: string }[] = [];
  /** The hub cannot be asked. */
  failure: Error | null = null;
  nowMs = Date.now();
  workload: Workload;
  readonly #make: () => Workload;
  #identities: Identity[] = [];

  private constructor(http?: LoopbackSettings) {
    const backend: WorkloadBackend = {
      gatewayId: "gw",
      hostname: "gw.example",
      tlsDir: join(this.dir, "tls"),
      vaultKey: Buffer.alloc(32, 7),
      nowMs: () => this.nowMs,
      identity: async (moduleId) => {
        if (this.failure !== null) throw this.failure;
        return this.#identities.find((one) => one.deviceId === "gw" && one.moduleId === moduleId) ?? null;
      },
      identities: async () => this.#identities,
    };
    const note = (level: string) => (fields: object, text: string) =>
      void this.logged.push({ level, fields, text });
    const log: Log = { debug: note("debug"), info: note("info"), warn: note("warn"), error: note("error") };
    this.#make = () => new Workload({ root: this.root, backend, http, log });
    this.workload = this.#make();
  }

  static async start(http?: LoopbackSettings): Promise<SmallGateway> {
    const made = new SmallGateway(http);
    mkdirSync(join(made.dir, "tls"));
    await createCertificates(join(made.dir, "tls"), { hostname: "gw.example", nowMs: Date.now() });
    await made.workload.start();
    return made;
  }

  /** Resolves when the module's socket is there. */
  async add(moduleId: string, deviceId = "gw"): Promise<Identity> {
    const identity = toIdentity({ deviceId, moduleId, ...newKeys(), enabled: true });
    await this.change((all) => [...all, identity]);
    return identity;
  }

  async change(to: (identities: Identity[]) => Identity[]): Promise<void> {
    this.#identities = to(this.#identities);
    this.workload.changed();
    // Whoever asks for an environment waits for the sockets.
    await this.workload.environment("").catch(() => null);
  }

  /** After `workload.close()`: another on the same folder. */
  async restart(): Promise<void> {
    this.workload = this.#make();
    await this.workload.start();
  }

  async socketOf(moduleId: string): Promise<string> {
    const { socketFolder, socketName } = await this.workload.environment(moduleId);
    return join(socketFolder, socketName);
  }

  async stop(): Promise<void> {
    await this.workload.close();
    rmSync(this.dir, { recursive: true });
  }
}

export interface Asked {
  readonly method?: "GET" | "POST";
  /** Absent: the one that it is. */
  readonly host?: string;
  readonly path: string;
  readonly body?: unknown;
  /** In place of JSON of `body`. */
  readonly text?: string;
  /** Absent = that of the API. */
  readonly query?: string;
}

/** `at`: a socket's path, or a port of the loopback. */
export function ask(
  at: string | number,
  { path, body, text, query = VERSION, method, host }: Asked,
): Promise<Told> {
  const payload = text ?? (body === undefined ? undefined : JSON.stringify(body));
  const short = typeof at === "string" ? socketPath(at) : null;
  const place = short === null ? { host: "127.0.0.1", port: at } : { socketPath: short.path };
  return new Promise<Told>((resolve, reject) => {
    request({
      ...place,
      agent: false,
      method: method ?? (payload === undefined ? "GET" : "POST"),
      path: `${path}${query === "" ? "" : `?${query}`}`,
      headers: {
        ...(payload !== undefined && { "content-type": "application/json" }),
        ...(host !== undefined && { host }),
      },
    })
      .once("response", (response) => {
        let answered = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (answered += chunk));
        response.once("end", () =>
          resolve({
            status: response.statusCode!,
            body: JSON.parse(answered) as Record<string, unknown>,
          }),
        );
        response.once("error", reject);
      })
      .once("error", reject)
      .end(payload);
  }).finally(() => short?.release());
}
