/**
 * `@sandpiper/module`: what a module author imports.
 *
 *     import { Message, emit, config } from "@sandpiper/module";
 *
 *     @input("temperature")
 *     export function onTemperature(message: Message): void {
 *       const celsius = message.json().number("celsius");
 *       if (celsius > config.number("threshold", 40)) emit("alerts", message.body).property("level", "high");
 *     }
 *
 * `@input("name")`, `@every(milliseconds)`, `@desired`, `@method("name")` and `@reply("tag")` need no import: the
 * compiler knows them.
 */
export { Message } from "./message";
export { Emission, emit, emitJson, emitText } from "./emit";
export { config } from "./config";
export { kv } from "./kv";
export { log } from "./log";
export { twin } from "./twin";
export { MethodReply, MethodRequest } from "./method";
export { InvokeReply, invoke } from "./invoke";
export { clock } from "./clock";
export { random } from "./random";
export { Json } from "./json";
export { JsonArray, JsonObject } from "./json-text";
