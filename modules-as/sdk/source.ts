/** Names of sources. An id is never given to another source, so a name once asked for stays true. */
import * as host from "./host";
import { scratch, takeText } from "./memory";

const CACHED_MAX: i32 = 1024;
const NAME_BYTES_GUESS: u32 = 512;

const names = new Map<u32, string>();
let lastId: u32 = u32.MAX_VALUE;
let lastName: string = "";

/** `device`, `device/module`, or "" for an id that the host does not know. */
export function sourceName(id: u32): string {
  if (id == lastId) return lastName;
  let name: string;
  if (names.has(id)) {
    name = names.get(id);
  } else {
    name = ask(id, NAME_BYTES_GUESS);
    if (name.length == 0) return name;
    if (names.size >= CACHED_MAX) names.clear();
    names.set(id, name);
  }
  lastId = id;
  lastName = name;
  return name;
}

function ask(id: u32, capacity: u32): string {
  const place = scratch(capacity);
  const length = host.source_name(id, place, capacity);
  if (length < 0) return "";
  return length > <i32>capacity ? ask(id, length) : takeText(place, length);
}
