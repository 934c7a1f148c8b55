/**
 * Sending messages: `emit("output", bytes).property("level", "high")`. A message is a frame in the result from
 * the first call on, and every further call changes it in place, so it can be added to until the next one is
 * begun.
 */
import { EFFECT, EFFECT_HEADER, FRAME, FRAME_BYTES_MAX, FRAME_VERSION, PROPERTIES_MAX } from "./abi";
import { PROPERTY, PROPERTY_ID, PROPERTY_NAME_BYTES_MAX, PROPERTY_TYPE } from "./abi";
import { JsonText } from "./json-text";
import { Place, align4, align8, getU16, getU32, isText, move, putBytes, putText } from "./memory";
import { setU16, setU32, utf8Length, zero } from "./memory";
import { beginEffect, lastEffectPlace, lastEffectSerial, portOf, resizeLastEffect } from "./result";

/**
 * A message on its way out. A handle without memory behind it: `this` is the serial of the effect, never an
 * address, so that sending allocates nothing, and a handle that came too late is found out.
 */
@unmanaged
export class Emission {
  /** Sets an application property; an earlier one of the same name is replaced. */
  property(name: string, value: string): Emission {
    if (name.length == 0) throw new Error("a property needs a name");
    return this.put(FRAME.APP, 0, name, value);
  }
  /** For example `application/json`. Route queries look into bodies of that type only. */
  contentType(value: string): Emission {
    return this.put(FRAME.SYS, PROPERTY_ID.CONTENT_TYPE, "", value);
  }
  contentEncoding(value: string): Emission {
    return this.put(FRAME.SYS, PROPERTY_ID.CONTENT_ENCODING, "", value);
  }
  messageId(value: string): Emission {
    return this.put(FRAME.SYS, PROPERTY_ID.MESSAGE_ID, "", value);
  }
  correlationId(value: string): Emission {
    return this.put(FRAME.SYS, PROPERTY_ID.CORRELATION_ID, "", value);
  }

  private put(section: u32, id: u32, name: string, value: string): Emission {
    if (changetype<usize>(this) != lastEffectSerial()) {
      throw new Error("an emitted message can be added to only until the handler sends something else");
    }
    setProperty(section, id, name, value);
    return this;
  }
}

/** Sends bytes. They are copied. */
export function emit(output: string, body: Uint8Array): Emission {
  const emission = begin(output);
  putBytes(growBody(body.byteLength), body);
  return emission;
}

/** Sends text, as `text/plain` in utf-8. */
export function emitText(output: string, text: string): Emission {
  const emission = begin(output).contentType("text/plain").contentEncoding("utf-8");
  putText(growBody(utf8Length(text)), text);
  return emission;
}

/** Sends JSON, as `application/json` in utf-8: a `JsonObject`, a `JsonArray`, or text that is JSON already. */
export function emitJson<T>(output: string, json: T): Emission {
  const emission = begin(output).contentType("application/json").contentEncoding("utf-8");
  if (isString<T>()) {
    putText(growBody(utf8Length(json as string)), json as string);
  } else {
    const text = json as JsonText;
    text.copyTo(growBody(text.byteLength));
  }
  return emission;
}

/** Sends the properties and the body `[sections, sections + bytes)` of the frame at `source`. */
export function emitCopy(output: string, source: Place): Emission {
  const emission = begin(output);
  const sys = getU32(source + FRAME.SYS);
  const app = getU32(source + FRAME.APP);
  const ext = align8(getU32(source + FRAME.EXT));
  const body = getU32(source + FRAME.BODY);
  const properties = align8(sys) + align8(app);
  const frame = growFrame(properties + align8(body));
  const from = source + getU16(source + FRAME.HEADER);
  move(frame + FRAME.SIZE, from, properties);
  move(frame + FRAME.SIZE + properties, from + properties + ext, align8(body));
  setU32(frame + FRAME.SYS, sys);
  setU32(frame + FRAME.APP, app);
  setU32(frame + FRAME.BODY, body);
  return emission;
}

/** An empty message. What only the host may say of it (who sent it, when, its uid) stays zero. */
function begin(output: string): Emission {
  const header = beginEffect(EFFECT.EMIT, portOf(output), FRAME.SIZE);
  const frame = header + EFFECT_HEADER.SIZE;
  zero(frame, FRAME.SIZE);
  setU32(frame, FRAME_VERSION | (FRAME.SIZE << 16));
  setU32(frame + FRAME.TOTAL, FRAME.SIZE);
  return changetype<Emission>(lastEffectSerial());
}

/** Makes the current frame longer or shorter; returns where it lies now. */
function growFrame(bytes: i32): Place {
  const total = getU32(currentFrame() + FRAME.TOTAL) + bytes;
  if (total > FRAME_BYTES_MAX) {
    throw new Error(`message of ${total.toString()} bytes, more than ${FRAME_BYTES_MAX.toString()}`);
  }
  resizeLastEffect(bytes);
  const frame = currentFrame();
  setU32(frame + FRAME.TOTAL, total);
  return frame;
}

/** Gives an empty body its length; returns where its bytes go. */
function growBody(bytes: u32): Place {
  if (bytes > FRAME_BYTES_MAX) {
    throw new Error(`message of ${bytes.toString()} bytes, more than ${FRAME_BYTES_MAX.toString()}`);
  }
  const padded = align8(bytes);
  const frame = growFrame(padded);
  const end = frame + getU32(frame + FRAME.TOTAL);
  if (padded > 0) zero(end - 8, 8);
  setU32(frame + FRAME.BODY, bytes);
  return end - padded;
}

function setProperty(section: u32, id: u32, name: string, value: string): void {
  const nameBytes = id == 0 ? utf8Length(name) : 0;
  if (nameBytes > PROPERTY_NAME_BYTES_MAX) {
    throw new Error(`property name "${name.substring(0, 40)}..." is longer than 256 bytes`);
  }
  const valueBytes = utf8Length(value);
  if (valueBytes > FRAME_BYTES_MAX) throw new Error(`property "${name}" is larger than a message may be`);
  const bytes = align4(PROPERTY.SIZE + nameBytes + valueBytes);
  removeProperty(section, id, name);
  const at = resizeSection(section, bytes);
  zero(at, PROPERTY.SIZE);
  zero(at + bytes - 4, 4);
  setU16(at + PROPERTY.NAME_ID, id);
  setU16(at + PROPERTY.TYPE, PROPERTY_TYPE.UTF8); // flags 0
  setU16(at + PROPERTY.NAME_LEN, nameBytes);
  setU32(at + PROPERTY.VALUE_LEN, valueBytes);
  if (id == 0) putText(at + PROPERTY.SIZE, name);
  putText(at + PROPERTY.SIZE + nameBytes, value);
}

/** Closes the gap that an earlier property of the name leaves, inside its section. */
function removeProperty(section: u32, id: u32, name: string): void {
  const frame = currentFrame();
  let at = startOf(frame, section);
  const end = at + getU32(frame + section);
  let count: u32 = 0;
  while (at < end) {
    const nameBytes = getU16(at + PROPERTY.NAME_LEN);
    const bytes = align4(PROPERTY.SIZE + nameBytes + getU32(at + PROPERTY.VALUE_LEN));
    const isSame = getU16(at + PROPERTY.NAME_ID) == id && isText(at + PROPERTY.SIZE, nameBytes, name);
    if (isSame) {
      move(at, at + bytes, (end - at - bytes) as u32);
      resizeSection(section, -(<i32>bytes));
      return;
    }
    at += bytes;
    count++;
  }
  if (count >= PROPERTIES_MAX)
    throw new Error(`message with more than ${PROPERTIES_MAX.toString()} properties`);
}

/** Moves what lies behind the section; returns the section's old end. */
function resizeSection(section: u32, bytes: i32): Place {
  let frame = currentFrame();
  const length = getU32(frame + section);
  const before = align8(length);
  const after = align8(length + bytes);
  const start = startOf(frame, section) - frame;
  const tail = getU32(frame + FRAME.TOTAL) - <u32>start - before;
  if (after > before) frame = growFrame(after - before);
  if (after != before) move(frame + start + after, frame + start + before, tail);
  if (after < before) frame = growFrame(<i32>after - <i32>before);
  setU32(frame + section, length + bytes);
  const end = frame + start + length + bytes;
  zero(end, (frame + start + after - end) as u32);
  return frame + start + length;
}

function currentFrame(): Place {
  return lastEffectPlace() + EFFECT_HEADER.SIZE;
}

function startOf(frame: Place, section: u32): Place {
  const sys = frame + FRAME.SIZE;
  return section == FRAME.SYS ? sys : sys + align8(getU32(frame + FRAME.SYS));
}
