/** A management API on a socket in a folder, and on a port of the loopback: all of a gateway that commands see. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gatewayPaths } from "../../../host/folder/gateway-folder.ts";
import type { ManagementBackend } from "../../../host/management/backend.ts";
import { startManagementServer } from "../../../host/management/server.ts";
import { quietLog } from "../../host/fake-parts.ts";

const TOKEN = "of-the-management-port";

export interface SmallGateway {
  readonly dir: string;
  /** By which commands reach it over its port. */
  readonly portEnv: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export async function startSmallGateway(backend: ManagementBackend): Promise<SmallGateway> {
  const dir = await mkdtemp(join(tmpdir(), "sp-operate-"));
  const { run, socket } = gatewayPaths(dir);
  await mkdir(run);
  const tokenFile = join(dir, "token");
  await writeFile(tokenFile, TOKEN);
  const options = { socket, bodyBytesMax: 1024 * 1024, log: quietLog };
  const port = { address: "127.0.0.1:0", token: TOKEN };
  const server = await startManagementServer(backend, { ...options, port });
  return {
    dir,
    portEnv: { SANDPIPER_URL: server.url!, SANDPIPER_TOKEN_FILE: tokenFile },
    async stop() {
      await server.close();
      await rm(dir, { recursive: true });
    },
  };
}
