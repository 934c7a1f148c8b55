/** The part of the hub's face that is about listeners; structured-cloneable, like all of it. */

export interface ListenerConfig {
  /** `http` and `https` carry MQTT and AMQP in WebSockets. */
  readonly protocol: "mqtt" | "mqtts" | "amqp" | "amqps" | "http" | "https";
  readonly host: string;
  /** 0 = any free port; see `HubStarted.listeners`. */
  readonly port: number;
  /** Step to the next port, at most this many times, when the port is busy. */
  readonly portsToTry?: number;
  /** For `mqtts`, `amqps` and `https`. */
  readonly tls?: ListenerTls;
}

export interface ListenerTls {
  /** PEM */
  readonly key: string;
  readonly cert: string;
  /** PEM: who may sign certificates of devices. Trusted for nothing else; absent = nobody. */
  readonly deviceAuthorities?: string;
}

/** Of one listener. PEM. */
export interface ListenerCertificate {
  /** Its place in `HubConfig.listeners`. */
  readonly listener: number;
  readonly key: string;
  readonly cert: string;
}
