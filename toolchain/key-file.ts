/**
 * Key files: an Ed25519 private key in PKCS #8 PEM, readable by its owner alone, and the public key in SPKI PEM
 * beside it. A private key that others can read is not used: it may have been taken already.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { keyId } from "../abi/index.ts";
import { KeyFileError } from "./errors.ts";
import { fileError, notFound, readBytes } from "./files.ts";

const KEY_FILE_BYTES_MAX = 16 * 1024;
const PRIVATE_MODE = 0o600;
const PUBLIC_MODE = 0o644;
const OTHERS = 0o077;

export interface KeyPairFiles {
  readonly privateKeyFile: string;
  readonly publicKeyFile: string;
  readonly keyId: string;
}

/**
 * Writes `file` and `file.pub`.
 * @throws {KeyFileError} SP_FILE_EXISTS when either exists; nothing is overwritten, and none is left alone.
 */
export async function createKeyPair(file: string): Promise<KeyPairFiles> {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const publicKeyFile = `${file}.pub`;
  await createFile(publicKeyFile, publicKey.export({ type: "spki", format: "pem" }), PUBLIC_MODE);
  try {
    await createFile(file, privateKey.export({ type: "pkcs8", format: "pem" }), PRIVATE_MODE);
  } catch (error) {
    await rm(publicKeyFile, { force: true });
    throw error;
  }
  return { privateKeyFile: file, publicKeyFile, keyId: keyId(publicKey) };
}

async function createFile(file: string, contents: string | Buffer, mode: number): Promise<void> {
  try {
    await using handle = await open(file, "wx", mode);
    await handle.writeFile(contents);
    await handle.sync();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw fileError(file, cause);
    throw new KeyFileError("SP_FILE_EXISTS", `key file "${file}": exists already`, {
      hint: "give another name: a key is never overwritten",
    });
  }
}

/** @throws {KeyFileError} SP_KEY_FILE, SP_KEY_FILE_MODE; {FileError} SP_FILE */
export async function readPrivateKey(file: string): Promise<KeyObject> {
  let mode: number;
  let text: string;
  try {
    await using handle = await open(file, "r");
    ({ mode } = await handle.stat());
    text = (await handle.read(Buffer.alloc(KEY_FILE_BYTES_MAX), 0)).buffer.toString("utf8");
  } catch (cause) {
    throw (cause as NodeJS.ErrnoException).code === "ENOENT" ? notFound(file) : fileError(file, cause);
  }
  if (process.platform !== "win32" && (mode & OTHERS) !== 0) {
    const octal = (mode & 0o777).toString(8).padStart(4, "0");
    throw new KeyFileError("SP_KEY_FILE_MODE", `key file "${file}": mode ${octal} is open to others`, {
      hint: `chmod 600 ${file}; and if others could read it, make a new key`,
    });
  }
  return ed25519(file, "private", () => createPrivateKey(text.replace(/\0+$/, "")));
}

/** @throws {KeyFileError} SP_KEY_FILE; {FileError} SP_FILE */
export async function readPublicKey(file: string): Promise<KeyObject> {
  const text = (await readBytes(file, KEY_FILE_BYTES_MAX)).toString("utf8");
  return ed25519(file, "public", () => {
    if (!text.includes("BEGIN PUBLIC KEY")) throw new Error("not SPKI PEM");
    return createPublicKey(text);
  });
}

function ed25519(file: string, type: "private" | "public", read: () => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = read();
  } catch (cause) {
    throw new KeyFileError("SP_KEY_FILE", `key file "${file}": not a ${type} key in PEM`, {
      cause,
      hint:
        type === "public"
          ? "give the .pub file that sandpiper keygen wrote"
          : "make one with: sandpiper keygen",
    });
  }
  if (key.asymmetricKeyType === "ed25519") return key;
  throw new KeyFileError("SP_KEY_FILE", `key file "${file}": ${key.asymmetricKeyType}, expected ed25519`);
}
