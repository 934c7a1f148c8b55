/** A line for a shell that publishes with mosquitto's client, for who has no SDK at hand. */
import type { MqttLogin } from "../../host/index.ts";

export interface Broker {
  readonly host: string;
  readonly port: number;
  /** PEM of whom to trust, for TLS. */
  readonly caFile?: string;
}

/** Several lines, each but the first indented. */
export function mosquittoCommand(
  { clientId, username, password, topic }: MqttLogin,
  { host, port, caFile }: Broker,
  body: string,
): string {
  const tls = caFile === undefined ? "" : ` --cafile ${shellQuote(caFile)}`;
  return [
    `mosquitto_pub -h ${shellQuote(host)} -p ${port}${tls} -i ${shellQuote(clientId)} -q 1 \\`,
    `  -u ${shellQuote(username)} \\`,
    `  -P ${shellQuote(password)} \\`,
    `  -t ${shellQuote(topic)} -m ${shellQuote(body)}`,
  ].join("\n");
}

/** For a POSIX shell; bare when that is safe. */
export const shellQuote = (text: string): string =>
  /^[\w./:@=+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
