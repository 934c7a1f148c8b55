/** A listener of whatever protocol, with the heads that serve what it accepts, and what it answers over HTTP. */
import { AmqpHead } from "./amqp/head.ts";
import type { ListenerConfig } from "./face.ts";
import { methodRoute } from "./methods/method-endpoint.ts";
import { MqttConnection } from "./mqtt/connection.ts";
import { MQTT_LIMITS } from "./mqtt/limits.ts";
import { listen, type Listener } from "./mqtt/listener.ts";
import { noteListenerTrouble } from "./operator/listener-troubles.ts";
import type { Running } from "./running.ts";
import { listenWeb } from "./websocket/listener.ts";

type Served = Pick<Running, "engine" | "sessions" | "amqpClients" | "clients" | "methods" | "gatewayId">;

/** @throws the operating system's error when the port cannot be had */
export async function openListener(
  config: ListenerConfig,
  { engine, sessions, amqpClients, clients, methods, gatewayId }: Served,
): Promise<Listener> {
  const { protocol } = config;
  const onError = (error: Error): void =>
    noteListenerTrouble(protocol, error, {
      metrics: engine.metrics,
      troubles: sessions.troubles,
      nowMs: clients.now(),
    });
  const listener = { ...config, onError };
  if (protocol === "mqtt" || protocol === "mqtts") return listen({ ...listener, handler: sessions });
  const head = await AmqpHead.load(amqpClients);
  if (protocol === "amqp" || protocol === "amqps") return head.listen(listener);
  return listenWeb({
    ...listener,
    heads: {
      mqtt: (stream, peer, sweep) => void new MqttConnection(stream, sessions, sweep, MQTT_LIMITS, peer),
      amqp: (stream, peer, sweep) => void head.serve(stream, peer, sweep),
    },
    routes: [methodRoute({ credentials: clients, methods, gatewayId })],
  });
}
