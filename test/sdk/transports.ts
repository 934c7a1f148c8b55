/** The ways by which Microsoft's device SDK reaches a gateway, each with what it needs to know of ours. */
import { Agent, type RequestOptions } from "node:https";
import type { Duplex } from "node:stream";
import device, { type DeviceClientOptions } from "azure-iot-device";
import amqp from "azure-iot-device-amqp";
import mqtt from "azure-iot-device-mqtt";
import type { Protocol } from "../support/gateway-process.ts";

export const TRANSPORTS = ["Mqtt", "MqttWs", "Amqp", "AmqpWs"] as const;
export type Transport = (typeof TRANSPORTS)[number];

type Constructor = Parameters<typeof device.Client.fromConnectionString>[1];

const CONSTRUCTORS: Readonly<Record<Transport, Constructor>> = {
  Mqtt: mqtt.Mqtt,
  MqttWs: mqtt.MqttWs,
  Amqp: amqp.Amqp,
  AmqpWs: amqp.AmqpWs,
};
/** The listener that it speaks to. */
export const LISTENER_OF = {
  Mqtt: "mqtts",
  MqttWs: "https",
  Amqp: "amqps",
  AmqpWs: "https",
} as const satisfies Readonly<Record<Transport, Protocol>>;

export const constructorOf = (transport: Transport): Constructor => CONSTRUCTORS[transport];

export const isMqtt = (transport: Transport): boolean => transport.startsWith("Mqtt");

/**
 * The SDK opens WebSockets to port 443 and no other. It takes an agent, for proxies' sake; this one connects to
 * where the test's gateway listens.
 */
class PortAgent extends Agent {
  readonly #port: number;

  constructor(port: number) {
    super();
    this.#port = port;
  }

  override createConnection(
    options: RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    return super.createConnection({ ...options, port: this.#port }, callback);
  }
}

/** What `setOptions` has to be told so that WebSockets lead to `port`. */
export function webSocketsTo(port: number): DeviceClientOptions {
  const webSocketAgent = new PortAgent(port);
  return { mqtt: { webSocketAgent }, amqp: { webSocketAgent } };
}
