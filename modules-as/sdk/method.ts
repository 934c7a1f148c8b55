/**
 * Direct methods: a function marked `@method("name")` takes a request and returns a reply. A handler that throws
 * makes the answer 500 with the reason, and undoes what it stored and sent.
 */
import { EFFECT, EFFECT_HEADER, ENTRY, METHOD, METHOD_PAYLOAD_BYTES_MAX, METHOD_REPLY } from "./abi";
import { Json } from "./json";
import { jsonLength, putJson } from "./json-payload";
import { Place, align8, getU16, getU32, setU32, takeText, zero } from "./memory";
import { beginEffect } from "./result";

/** What a method answers: a status, usually like HTTP's, and JSON, or nothing when the text is empty. */
export class MethodReply {
  constructor(
    readonly status: i32,
    readonly text: string = "",
  ) {}
}

/** A call. Good until the handler returns. */
export class MethodRequest {
  /** For the dispatch alone: where the record begins. */
  constructor(private readonly entry: Place) {}

  get name(): string {
    return takeText(this.texts, getU32(this.payload + METHOD.NAME_LEN));
  }
  /** The request as it was sent: JSON. */
  text(): string {
    return takeText(this.body, getU32(this.payload + METHOD.PAYLOAD_LEN));
  }
  /** The request; the JSON value `null` when the caller gave none. */
  json(): Json {
    const json = Json.parse(this.body, getU32(this.payload + METHOD.PAYLOAD_LEN));
    if (json === null) throw new Error(`request is not JSON at byte ${Json.faultAt.toString()}`);
    return json;
  }

  /** The reply to return: a `JsonObject`, a `JsonArray`, or text that is JSON already. */
  reply<T>(status: i32, json: T): MethodReply {
    if (isString<T>()) return new MethodReply(status, json as string);
    return new MethodReply(status, json.toString());
  }

  private get payload(): Place {
    return this.entry + getU16(this.entry + ENTRY.HEADER);
  }
  private get texts(): Place {
    return this.payload + METHOD.SIZE;
  }
  private get body(): Place {
    return this.texts + getU32(this.payload + METHOD.NAME_LEN);
  }
}

/** For the dispatch alone: answers the METHOD record at `entry`. */
export function putReply(entry: Place, reply: MethodReply): void {
  const length = jsonLength<string>(reply.text);
  if (length > METHOD_PAYLOAD_BYTES_MAX) {
    throw new Error(`reply of ${length.toString()} bytes, more than ${METHOD_PAYLOAD_BYTES_MAX.toString()}`);
  }
  const bytes = align8(METHOD_REPLY.SIZE + length);
  const effect = beginEffect(EFFECT.METHOD_REPLY, 0, bytes);
  const asked = entry + getU16(entry + ENTRY.HEADER);
  setU32(effect + EFFECT_HEADER.CORR_LO, getU32(asked + METHOD.CORR_LO));
  setU32(effect + EFFECT_HEADER.CORR_HI, getU32(asked + METHOD.CORR_HI));
  const payload = effect + EFFECT_HEADER.SIZE;
  zero(payload + bytes - 8, 8);
  setU32(payload + METHOD_REPLY.STATUS, reply.status);
  setU32(payload + METHOD_REPLY.LENGTH, length);
  putJson<string>(payload + METHOD_REPLY.SIZE, reply.text);
}
