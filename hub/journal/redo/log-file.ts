/**
 * The redo log's file: one block that says what it is, then the ring. It has its full size from the beginning,
 * written with zeros, so that a record costs one write and the file system none of its own. A write is durable
 * when it returns (O_DSYNC): one call of the thread pool instead of two.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  write,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { storeCorrupt } from "../store.ts";
import { BLOCK_BYTES } from "./record.ts";

const MAGIC = 0x474f4c53; // "SLOG"
const FORMAT_VERSION = 1;
const AT = { MAGIC: 0, FORMAT: 4, EPOCH: 8, ASKED: 12, RING: 20, SUM: 28 } as const;

export class LogFile {
  readonly path: string;
  /** Random, another for each file: no record of a file that lay here before is taken for one of this. */
  readonly epoch: number;
  /** The size that was configured when it was made. */
  readonly askedBytes: number;
  /** Without the block at the begin. */
  readonly ringBytes: number;
  readonly #file: number;

  private constructor(path: string, file: number, header: Buffer) {
    this.path = path;
    this.#file = file;
    this.epoch = header.readUInt32LE(AT.EPOCH);
    this.askedBytes = header.readDoubleLE(AT.ASKED);
    this.ringBytes = header.readDoubleLE(AT.RING);
  }

  /** Makes the file whole under another name first: it is there with its full size, or not at all. */
  static create(path: string, askedBytes: number, ringBytes: number): LogFile {
    const unfinished = `${path}.new`;
    const file = openSync(unfinished, "w", 0o600);
    try {
      writeSync(file, headerOf(askedBytes, ringBytes), 0, BLOCK_BYTES, 0);
      // Block by block: the page cache would keep a large write as one piece, and count all of it as written
      // whenever a record touches it.
      const zeros = Buffer.alloc(BLOCK_BYTES);
      for (let at = 0; at < ringBytes; at += BLOCK_BYTES)
        writeSync(file, zeros, 0, BLOCK_BYTES, BLOCK_BYTES + at);
      fsyncSync(file);
    } catch (error) {
      rmSync(unfinished, { force: true });
      throw error;
    } finally {
      closeSync(file);
    }
    renameSync(unfinished, path);
    syncFolder(path);
    return LogFile.open(path)!;
  }

  /** `null`: there is none. @throws SP_STORE_CORRUPT */
  static open(path: string): LogFile | null {
    let file: number;
    try {
      file = openSync(path, constants.O_RDWR | constants.O_DSYNC);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
    const header = Buffer.alloc(BLOCK_BYTES);
    readSync(file, header, 0, BLOCK_BYTES, 0);
    const fault = headerFault(header, fstatSync(file).size);
    if (fault === null) return new LogFile(path, file, header);
    closeSync(file);
    throw storeCorrupt(`"${path}" ${fault}`, { path });
  }

  /** Resolves when the record is durable. `place` is the ring's. */
  write(record: Buffer, bytes: number, place: number): Promise<void> {
    return new Promise((resolve, reject) => {
      write(this.#file, record, 0, bytes, this.#at(place), (error, written) => {
        if (error !== null) reject(error);
        else if (written !== bytes) reject(new Error(`redo log: wrote ${written} of ${bytes} bytes`));
        else resolve();
      });
    });
  }

  /** Bytes from `place` on, as many as fit into `into` before the ring's end. Returns how many. */
  read(into: Buffer, place: number): number {
    const bytes = Math.min(into.length, this.ringBytes - (place % this.ringBytes));
    return readSync(this.#file, into, 0, bytes, this.#at(place));
  }

  #at(place: number): number {
    return BLOCK_BYTES + (place % this.ringBytes);
  }

  close(): void {
    closeSync(this.#file);
  }

  /** Closes it, and it is gone. */
  remove(): void {
    this.close();
    rmSync(this.path);
    syncFolder(this.path);
  }
}

function headerOf(askedBytes: number, ringBytes: number): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  header.writeUInt32LE(MAGIC, AT.MAGIC);
  header.writeUInt32LE(FORMAT_VERSION, AT.FORMAT);
  header.writeUInt32LE(randomBytes(4).readUInt32LE(0) || 1, AT.EPOCH); // 0 means that there is no log
  header.writeDoubleLE(askedBytes, AT.ASKED);
  header.writeDoubleLE(ringBytes, AT.RING);
  header.writeUInt32LE(crc32(header.subarray(0, AT.SUM)), AT.SUM);
  return header;
}

/** What is wrong with it, or null. */
function headerFault(header: Buffer, fileBytes: number): string | null {
  if (header.readUInt32LE(AT.MAGIC) !== MAGIC) return "does not begin as a redo log does";
  if (header.readUInt32LE(AT.SUM) !== crc32(header.subarray(0, AT.SUM))) return "begins with a damaged block";
  const format = header.readUInt32LE(AT.FORMAT);
  if (format !== FORMAT_VERSION) return `has format ${format}, this version reads ${FORMAT_VERSION}`;
  const bytes = BLOCK_BYTES + header.readDoubleLE(AT.RING);
  return fileBytes === bytes ? null : `has ${fileBytes} bytes, and should have ${bytes}`;
}

/** A name is durable when its folder is. */
function syncFolder(path: string): void {
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
