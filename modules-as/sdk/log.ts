/** Lines to the module's log. A line longer than the host takes is cut, at a character. */
import { LOG_LINE_BYTES_MAX } from "./abi";
import * as host from "./host";
import { getU8, putText, scratch } from "./memory";

const UTF8_BYTES_PER_UNIT_MAX: u32 = 3;

export namespace log {
  /** Per message. Off unless somebody asks for it. */
  export function debug(text: string): void {
    write(0, text);
  }
  /** What happens in the ordinary course of things. */
  export function info(text: string): void {
    write(1, text);
  }
  /** Degraded, and goes on by itself. */
  export function warn(text: string): void {
    write(2, text);
  }
  /** Somebody must act. */
  export function error(text: string): void {
    write(3, text);
  }
}

function write(level: i32, text: string): void {
  const line = text.length > <i32>LOG_LINE_BYTES_MAX ? text.substring(0, LOG_LINE_BYTES_MAX) : text;
  const place = scratch(<u32>line.length * UTF8_BYTES_PER_UNIT_MAX);
  let length = putText(place, line);
  if (length > LOG_LINE_BYTES_MAX) {
    length = LOG_LINE_BYTES_MAX;
    while ((getU8(place + length) & 0xc0) == 0x80) length--;
  }
  host.log(level, place, length);
}
