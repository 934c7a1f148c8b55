/**
 * One twin: desired and reported properties with their versions, and tags (contract §9). Immutable: a patch
 * makes a new one, or is refused and changes nothing. Who may patch what is the caller's to decide.
 */
import { checkPatch, checkSize, type JsonObject, type SectionName } from "./limits.ts";
import { EMPTY, mergePatch, stampPatch, type Metadata } from "./merge.ts";

export interface Section {
  readonly values: JsonObject;
  /** From 1, up by 1 with each accepted patch. */
  readonly version: number;
  readonly metadata: Metadata;
}

export interface Twin {
  readonly desired: Section;
  readonly reported: Section;
  readonly tags: JsonObject;
  /** Up by 1 with any change: what `etag` is made of. */
  readonly version: number;
}

/** ISO 8601. */
type Time = string;

const newSection = (now: Time, isDesired: boolean): Section => ({
  values: EMPTY,
  version: 1,
  metadata: stampOf(now, 1, isDesired),
});

/** As IoT Hub has it: only desired properties say which version wrote them. */
const stampOf = (now: Time, version: number, isDesired: boolean): Metadata =>
  isDesired ? { $lastUpdated: now, $lastUpdatedVersion: version } : { $lastUpdated: now };

export const newTwin = (now: Time): Twin => ({
  desired: newSection(now, true),
  reported: newSection(now, false),
  tags: EMPTY,
  version: 1,
});

/** @throws {TwinError} SP_TWIN_INVALID; the twin given is as it was */
export function patchTwin(twin: Twin, section: SectionName, patch: unknown, now: Time): Twin {
  checkPatch(section, patch);
  if (section === "tags") {
    const tags = mergePatch(twin.tags, patch);
    checkSize(section, tags);
    return { ...twin, tags, version: twin.version + 1 };
  }
  const { values, version, metadata } = twin[section];
  const merged = mergePatch(values, patch);
  checkSize(section, merged);
  const stamp = stampOf(now, version + 1, section === "desired");
  const next = { values: merged, version: version + 1, metadata: stampPatch(metadata, patch, stamp) };
  return { ...twin, [section]: next, version: twin.version + 1 };
}

/** Everything of a section replaced: as a patch, so that versions and limits hold alike. @throws {TwinError} */
export function replaceSection(twin: Twin, section: SectionName, values: unknown, now: Time): Twin {
  checkPatch(section, values);
  const old = section === "tags" ? twin.tags : twin[section].values;
  const gone = Object.keys(old).filter((key) => !Object.hasOwn(values, key));
  const emptied = { ...twin, [section]: section === "tags" ? EMPTY : { ...twin[section], values: EMPTY } };
  const deletions = Object.fromEntries(gone.map((key) => [key, null]));
  return patchTwin(emptied, section, { ...deletions, ...values }, now);
}

/** What a device or module sees of its own twin. */
export const clientView = ({ desired, reported }: Twin): JsonObject => ({
  desired: { ...desired.values, $version: desired.version },
  reported: { ...reported.values, $version: reported.version },
});

/** What an operator or a service sees. */
export interface ServiceView {
  readonly etag: string;
  readonly version: number;
  readonly tags: JsonObject;
  readonly properties: {
    readonly desired: JsonObject;
    readonly reported: JsonObject;
  };
}

export const serviceView = ({ desired, reported, tags, version }: Twin): ServiceView => ({
  etag: etagOf(version),
  version,
  tags,
  properties: { desired: withMetadata(desired), reported: withMetadata(reported) },
});

export const etagOf = (version: number): string => Buffer.from(String(version)).toString("base64");

const withMetadata = ({ values, version, metadata }: Section): JsonObject => ({
  ...values,
  $metadata: metadata as unknown as JsonObject,
  $version: version,
});

/** A row of the store. */
export const encodeTwin = (twin: Twin): Buffer => Buffer.from(JSON.stringify(twin));

/** What `encodeTwin` made, by this version or an older one. */
export function decodeTwin(row: Buffer): Twin {
  // No prototypes: a key is a key, whoever chose it.
  return JSON.parse(row.toString(), (_key, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.assign(Object.create(null) as object, value)
      : value,
  ) as Twin;
}
