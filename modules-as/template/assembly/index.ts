import { Message, config, emit, log } from "@sandpiper/module";

// @ts-ignore: decorator
@input("temperature")
export function onTemperature(message: Message): void {
  const celsius = message.json().number("celsius");
  if (celsius > config.number("threshold", 40)) {
    log.info(`${message.source}: ${celsius.toString()} degrees`);
    emit("alerts", message.body).contentType("application/json").contentEncoding("utf-8").property("level", "high");
  }
}
