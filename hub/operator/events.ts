/** Entries and letters as plain data, for whoever reads a log from outside. */
import { decodeFrame, ENTRY, type Block } from "../../abi/index.ts";
import { reasonOf } from "../endpoints/letter.ts";
import type { DeadLetter, EventRecord } from "../face.ts";
import type { Sources } from "../sources.ts";

export function eventRecord(block: Block, entryAt: number, offset: number, sources: Sources): EventRecord {
  const { sourceId, enqueuedWall, uid, systemProperties, properties, body } = decodeFrame(
    block,
    entryAt + ENTRY.SIZE,
  );
  const { deviceId, moduleId, output } = sources.origin(sourceId);
  const enqueuedTime = new Date(enqueuedWall).toISOString();
  return { offset, enqueuedTime, deviceId, moduleId, output, uid, systemProperties, properties, body };
}

export function deadLetter(block: Block, entryAt: number, offset: number, sources: Sources): DeadLetter {
  const info = reasonOf(block, entryAt + ENTRY.SIZE);
  return {
    offset,
    endpoint: info?.endpoint ?? "",
    reason: info?.reason ?? "unknown",
    fault: info?.fault ?? null,
    text: info?.text ?? null,
    digest: info?.digest ?? null,
    priority: info?.priority ?? null,
    attempt: info?.attempt ?? null,
    diedAt: new Date(info?.diedAtMs ?? 0).toISOString(),
    message: eventRecord(block, entryAt, offset, sources),
  };
}
