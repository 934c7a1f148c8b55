/**
 * Calling methods of other modules and of devices. A call leaves when what the handler did is kept, and its reply
 * comes later, to the function marked `@reply("tag")`: there is nothing to wait with, and what the handler knew is
 * gone by then, unless it is in `kv`. A call is made at most once; one that a crash of the gateway cut off
 * has no reply.
 */
import { EFFECT, EFFECT_HEADER, ENTRY, FEATURE, INVOKE, METHOD_PAYLOAD_BYTES_MAX, REPLY } from "./abi";
import { requireFeature } from "./features";
import { Json } from "./json";
import { jsonLength, putJson } from "./json-payload";
import { Place, align8, getU16, getU32, putText, setU32, takeText, utf8Length, zero } from "./memory";
import { beginEffect } from "./result";

/** Ids of one instance; after these, they are those of the next. */
const IDS_PER_INSTANCE: u32 = 65536;

let tags: StaticArray<string> = [];
let nextId: u32 = 0;

/** For the dispatch alone. */
export function declareReplies(names: StaticArray<string>, instance: u32): void {
  tags = names;
  nextId = instance * IDS_PER_INSTANCE;
}

/**
 * Calls a method. `deviceId` "" is this gateway, `moduleId` "" the device itself. The payload is a `JsonObject`, a
 * `JsonArray`, text that is JSON already, or "" for none. `tag` names the handler of the reply, as a literal. Returns
 * what `InvokeReply.id` will be.
 */
export function invoke<T>(
  deviceId: string,
  moduleId: string,
  method: string,
  payload: T,
  tag: string,
  timeoutSeconds: u32 = 0,
): u32 {
  requireFeature(FEATURE.INVOKE, "invoke");
  const length = jsonLength<T>(payload);
  if (length > METHOD_PAYLOAD_BYTES_MAX) {
    throw new Error(`invoke: ${length.toString()} bytes, more than ${METHOD_PAYLOAD_BYTES_MAX.toString()}`);
  }
  const device = utf8Length(deviceId);
  const module = utf8Length(moduleId);
  const name = utf8Length(method);
  const bytes = align8(INVOKE.SIZE + device + module + name + length);
  const id = nextId++;
  const effect = beginEffect(EFFECT.INVOKE, 0, bytes);
  setU32(effect + EFFECT_HEADER.CORR_LO, id);
  setU32(effect + EFFECT_HEADER.CORR_HI, tagOf(tag));
  const payloadPlace = effect + EFFECT_HEADER.SIZE;
  zero(payloadPlace + bytes - 8, 8);
  zero(payloadPlace, INVOKE.SIZE);
  setU32(payloadPlace + INVOKE.DEVICE_LEN, device);
  setU32(payloadPlace + INVOKE.MODULE_LEN, module);
  setU32(payloadPlace + INVOKE.NAME_LEN, name);
  setU32(payloadPlace + INVOKE.PAYLOAD_LEN, length);
  setU32(payloadPlace + INVOKE.TIMEOUT_SECS, timeoutSeconds);
  let at = payloadPlace + INVOKE.SIZE;
  at += putText(at, deviceId);
  at += putText(at, moduleId);
  at += putText(at, method);
  putJson<T>(at, payload);
  return id;
}

function tagOf(tag: string): u32 {
  for (let i = 0; i < tags.length; i++) if (tags[i] == tag) return i;
  throw new Error(`invoke: there is no handler @reply("${tag}")`);
}

/** What became of a call. Good until the handler returns. */
export class InvokeReply {
  /** For the dispatch alone: where the record begins. */
  constructor(private readonly entry: Place) {}

  /** What `invoke` returned. */
  get id(): u32 {
    return getU32(this.payload + REPLY.CORR_LO);
  }
  /**
   * The callee's own, or below 0 when it did not answer: -404 it is not there, -504 not in time, -429 too many calls
   * are under way, -400 the call is wrong, -502 its answer is. `json().string("message")` says more then.
   */
  get status(): i32 {
    return getU32(this.payload + REPLY.STATUS) as i32;
  }
  get isAnswered(): bool {
    return this.status >= 0;
  }
  /** The answer as it came: JSON, or "" for none. */
  text(): string {
    return takeText(this.payload + REPLY.SIZE, getU32(this.payload + REPLY.LENGTH));
  }
  /** The answer; null when it is none. */
  json(): Json | null {
    return Json.parse(this.payload + REPLY.SIZE, getU32(this.payload + REPLY.LENGTH));
  }

  private get payload(): Place {
    return this.entry + getU16(this.entry + ENTRY.HEADER);
  }
}

/** For the dispatch alone: index of the handler that a REPLY record is for. */
export function replyHandler(entry: Place): u32 {
  return getU32(entry + getU16(entry + ENTRY.HEADER) + REPLY.CORR_HI);
}
