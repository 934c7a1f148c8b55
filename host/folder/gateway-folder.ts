/**
 * The folder of one gateway: everything it is and keeps. Private to its owner (0700), because it holds the
 * keys of the gateway and of every device. `gateway.json` is written last: a folder that has it is whole.
 */
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { hostname as osHostname } from "node:os";
import { join, resolve } from "node:path";
import { SandpiperError } from "../../abi/index.ts";
import { ConfigError, FolderError } from "../errors.ts";
import { decodeGatewayConfig, LISTENER_DEFAULTS, type ListenerSettings } from "./gateway-config.ts";

export interface GatewayPaths {
  readonly dir: string;
  readonly config: string;
  /** Which keys may sign modules. */
  readonly trust: string;
  readonly tls: string;
  /** The agent's: what it needs to boot without network and without the store. */
  readonly agent: string;
  /** Verified modules, by content. */
  readonly artifacts: string;
  readonly logs: string;
  readonly store: string;
  /** Copy of who may connect, and of the routes, for a store that is lost. */
  readonly identities: string;
  /** Key under which devices' keys are encrypted, in the store and in the copy. */
  readonly vaultKey: string;
  /** What to show over the management port, when there is one. */
  readonly managementToken: string;
  /** The management socket and the lock of the running gateway. */
  readonly run: string;
  readonly socket: string;
  /** Folders with the sockets of modules in processes of their own. */
  readonly workload: string;
}

export function gatewayPaths(dir: string): GatewayPaths {
  const root = resolve(dir);
  return {
    dir: root,
    config: join(root, "gateway.json"),
    trust: join(root, "trust.json"),
    tls: join(root, "tls"),
    agent: join(root, "agent"),
    artifacts: join(root, "artifacts"),
    logs: join(root, "logs"),
    store: join(root, "store"),
    identities: join(root, "identities.backup"),
    vaultKey: join(root, "vault.key"),
    managementToken: join(root, "management.token"),
    run: join(root, "run"),
    socket: join(root, "run", "management.sock"),
    workload: join(root, "run", "workload"),
  };
}

/** The same gateway with its store where the configuration wants it; relative to the gateway's folder. */
export function withStorage(paths: GatewayPaths, storageFolder: string | undefined): GatewayPaths {
  if (storageFolder === undefined) return paths;
  return { ...paths, store: join(resolve(paths.dir, storageFolder), "store") };
}

/** @throws {ConfigError} SP_CONFIG_MISSING: there is no gateway at `dir` */
export function existingGateway(dir: string): GatewayPaths {
  const paths = gatewayPaths(dir);
  if (existsSync(paths.config)) return paths;
  throw new ConfigError("SP_CONFIG_MISSING", `gateway in "${paths.dir}": there is none`, {
    hint: "name its folder with --dir or SANDPIPER_DIR, or make one with: sandpiper init",
    details: { dir: paths.dir },
  });
}

export interface InitOptions {
  /** Default: the first label of `hostname`. */
  readonly gatewayId?: string;
  /** Default: this machine's. */
  readonly hostname?: string;
  /** Default: MQTT on the loopback, MQTT over TLS on every address. */
  readonly listeners?: readonly (Partial<ListenerSettings> & Pick<ListenerSettings, "protocol">)[];
  /** Where the store is to lie. Default: the gateway folder. */
  readonly storageFolder?: string;
}

/**
 * Makes a gateway folder with a configuration, an empty trust policy and certificates.
 * @throws {FolderError} SP_FOLDER_EXISTS: there is something at `dir` already; it is left as it is
 * @throws {ConfigError} SP_CONFIG_INVALID: an option that the configuration could not hold
 */
export async function initGateway(dir: string, options: InitOptions = {}): Promise<GatewayPaths> {
  const target = gatewayPaths(dir);
  const hostname = options.hostname ?? osHostname();
  const listeners = options.listeners ?? [{ protocol: "mqtt" }, { protocol: "mqtts" }];
  const config = {
    gatewayId: options.gatewayId ?? defaultGatewayId(hostname),
    hostname,
    ...(options.storageFolder === undefined ? {} : { storageFolder: options.storageFolder }),
    // Written out, because ports are what is changed first.
    listeners: listeners.map(({ protocol, ...rest }) => ({
      protocol,
      ...LISTENER_DEFAULTS[protocol],
      ...rest,
    })),
  };
  const text = `${JSON.stringify(config, null, 2)}\n`;
  await decodeGatewayConfig(text, "gateway configuration");
  try {
    await refuseOccupied(target.dir);
    await mkdir(target.dir, { recursive: true, mode: 0o700 });
    await chmod(target.dir, 0o700);
    await fill(target, text, hostname);
  } catch (cause) {
    if (cause instanceof SandpiperError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FolderError("SP_FOLDER_IO", `gateway folder "${target.dir}": ${reason}`, {
      hint: "choose a folder you may write to, with --dir",
      details: { dir: target.dir },
      cause,
    });
  }
  return target;
}

/** All or nothing. */
async function fill(paths: GatewayPaths, configText: string, hostname: string): Promise<void> {
  const folders = [paths.tls, paths.agent, paths.artifacts, paths.logs, paths.store, paths.run];
  try {
    const { makeVaultKey } = await import("./vault-key.ts");
    const { createCertificates } = await import("../certificates/index.ts");
    for (const dir of folders) await mkdir(dir, { mode: 0o700 });
    await createCertificates(paths.tls, { hostname, nowMs: Date.now() });
    await makeVaultKey(paths.vaultKey);
    await writeFile(paths.trust, EMPTY_TRUST, { mode: 0o600 });
    await writeFile(paths.config, configText, { mode: 0o600 });
  } catch (error) {
    for (const path of [...folders, paths.vaultKey, paths.trust, paths.config]) {
      await rm(path, { recursive: true, force: true });
    }
    throw error;
  }
}

/** Nobody is trusted until somebody says so: every unsigned or unknown module is refused. */
const EMPTY_TRUST = `${JSON.stringify({ version: 1, policy: "require-signature", keys: [] }, null, 2)}\n`;

async function refuseOccupied(dir: string): Promise<void> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [] as string[];
    throw error;
  });
  // A fresh volume is as good as an empty folder.
  if (names.every((name) => name === "lost+found")) return;
  const isGateway = names.includes("gateway.json");
  throw new FolderError(
    "SP_FOLDER_EXISTS",
    isGateway ? `gateway folder "${dir}": exists already` : `folder "${dir}": not empty, and not a gateway`,
    {
      hint: isGateway ? "start it with: sandpiper run" : "name another folder with --dir",
      details: { dir },
    },
  );
}

/** The first label of the host name, with what an id cannot hold replaced. An address has no label. */
function defaultGatewayId(hostname: string): string {
  const label = /^[\d.:a-f]+$/i.test(hostname) ? "" : hostname.split(".")[0]!;
  return label.replaceAll(/[^A-Za-z0-9-]/g, "-").replace(/^-+/, "") || "gateway";
}
