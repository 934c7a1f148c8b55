/**
 * A machine that warms up from 21 to 100 degrees and stays there, with its room around it: the messages of
 * Azure IoT Edge's sample sensor, on the output `temperatureOutput`.
 *
 * Configuration: `intervalMs`, time between two messages, 500 at least (500).
 */
import { JsonObject, clock, config, emitJson, random } from "@sandpiper/module";

const MACHINE_TEMPERATURE_MIN: f64 = 21;
const MACHINE_TEMPERATURE_MAX: f64 = 100;
const MACHINE_PRESSURE_MIN: f64 = 1;
const MACHINE_PRESSURE_MAX: f64 = 10;
const AMBIENT_TEMPERATURE: f64 = 21;
/** Timers come a little early or late; a tick that close to the interval is the one that was meant. */
const TICK_SLACK_MS: f64 = 50;

let temperature: f64 = MACHINE_TEMPERATURE_MIN;
let lastMs: f64 = -Infinity;

@every(500)
export function measure(): void {
  const nowMs = clock.monotonic();
  if (nowMs - lastMs + TICK_SLACK_MS < config.number("intervalMs", 0)) return;
  lastMs = nowMs;

  temperature += temperature > MACHINE_TEMPERATURE_MAX ? random.number() - 0.5 : random.number() * 1.5 - 0.25;
  const progress = (temperature - MACHINE_TEMPERATURE_MIN) / (MACHINE_TEMPERATURE_MAX - MACHINE_TEMPERATURE_MIN);
  const pressure = MACHINE_PRESSURE_MIN + progress * (MACHINE_PRESSURE_MAX - MACHINE_PRESSURE_MIN);
  const machine = new JsonObject().number("temperature", temperature).number("pressure", pressure);
  const ambient = new JsonObject()
    .number("temperature", AMBIENT_TEMPERATURE + random.number() - 0.5)
    .number("humidity", 24 + Math.floor(random.number() * 3));
  const body = new JsonObject()
    .object("machine", machine)
    .object("ambient", ambient)
    .string("timeCreated", new Date(<i64>clock.now()).toISOString());
  emitJson("temperatureOutput", body);
}
