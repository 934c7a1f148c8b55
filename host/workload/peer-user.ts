/**
 * Which user is at the other end of a TCP connection on this machine: the kernel's table of sockets has the owner of
 * each, and a connection over the loopback has both of its ends there. One from another network namespace (a container
 * with an address of its own) is not in the table, and has no user.
 */
import { createReadStream } from "node:fs";
import { endianness } from "node:os";
import { createInterface } from "node:readline";

/** A socket of either family may have connected to an IPv4 address. */
const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"] as const;
/** A row that is looked for may be missed while the table changes under the reader. */
const READS_MAX = 3;
const ESTABLISHED = "01";
const HEX = 16;

export interface Connection {
  /** IPv4, as Node says them. */
  readonly peerAddress: string;
  readonly peerPort: number;
  readonly ownAddress: string;
  readonly ownPort: number;
}

/** `null`: nobody of this machine, or nobody any more. @throws the operating system's error without /proc */
export async function userAtPeer(connection: Connection): Promise<number | null> {
  for (let read = 0; read < READS_MAX; read++) {
    for (const table of TABLES) {
      const uid = await findIn(table, connection);
      if (uid !== null) return uid;
    }
  }
  return null;
}

async function findIn(table: string, connection: Connection): Promise<number | null> {
  const file = createReadStream(table);
  try {
    for await (const line of createInterface({ input: file })) {
      const uid = ownerInRow(line, connection);
      if (uid !== null) return uid;
    }
    return null;
  } finally {
    file.destroy();
  }
}

/**
 * The user in a row of the table, if it is the peer's end of the connection: `sl: local remote state tx:rx tr:when
 * retransmits uid ...`
 */
export function ownerInRow(
  row: string,
  { peerAddress, peerPort, ownAddress, ownPort }: Connection,
  order: "LE" | "BE" = endianness(),
): number | null {
  const [, local, remote, state, , , , uid] = row.trim().split(/\s+/);
  if (state !== ESTABLISHED || !/^\d{1,10}$/.test(uid ?? "")) return null;
  const isEnd = isAt(local!, peerAddress, peerPort, order) && isAt(remote!, ownAddress, ownPort, order);
  return isEnd ? Number(uid) : null;
}

function isAt(place: string, address: string, port: number, order: "LE" | "BE"): boolean {
  const [hex = "", portHex = ""] = place.split(":");
  return Number.parseInt(portHex, HEX) === port && placesOf(address, order).includes(hex);
}

/** An IPv4 address as the two tables write it: 32 bits at a time, in the machine's order of bytes. */
function placesOf(address: string, order: "LE" | "BE"): readonly string[] {
  const bytes = address.split(".").map((byte) => Number(byte).toString(HEX).padStart(2, "0").toUpperCase());
  const [v4, mark] =
    order === "LE" ? [bytes.toReversed().join(""), "FFFF0000"] : [bytes.join(""), "0000FFFF"];
  return [v4, `${"0".repeat(HEX)}${mark}${v4}`];
}
