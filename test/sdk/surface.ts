/**
 * What of Microsoft's device SDK is there over which transport, with the claim that shows it. docs/sdk.md has this
 * table in words for users, and `test/docs/sdk.test.ts` holds the two together.
 */
import type { Transport } from "./transports.ts";

/** `sdk`: the SDK itself says `NotImplementedError`, whatever is at the other end. */
export type Verdict = "yes" | "sdk";

export interface SurfaceRow {
  readonly what: string;
  readonly over: Readonly<Record<Transport, Verdict>>;
  /** Name of a test in `test/sdk/`, as far as it is the same for each transport. */
  readonly test: string;
}

const ALL = { Mqtt: "yes", MqttWs: "yes", Amqp: "yes", AmqpWs: "yes" } as const;
const AMQP = { Mqtt: "sdk", MqttWs: "sdk", Amqp: "yes", AmqpWs: "yes" } as const;
const NONE = { Mqtt: "sdk", MqttWs: "sdk", Amqp: "sdk", AmqpWs: "sdk" } as const;

const row = (what: string, over: SurfaceRow["over"], test: string): SurfaceRow => ({ what, over, test });

export const SURFACE: readonly SurfaceRow[] = [
  row("Connection string with primary or secondary key", ALL, "a device connects with either of its keys"),
  row("X.509, self-signed by thumbprint", ALL, "a device connects with a certificate that is %s"),
  row("X.509, signed by a device authority", ALL, "a device connects with a certificate that is %s"),
  row("Tokens that the SDK renews", ALL, "clients renew their tokens by themselves"),
  row("`updateSharedAccessSignature`", ALL, "a new token is taken while connected"),
  row(
    "`sendEvent`",
    ALL,
    "a device's telemetry is logged with ids, type, encoding and properties as they were",
  ),
  row(
    "`sendEventBatch`, `sendOutputEventBatch`",
    NONE,
    "batches are nothing that the SDK has for this transport",
  ),
  row(
    "`sendOutputEvent`, `inputMessage`, `complete`",
    ALL,
    "an output is an input, with ids, type, encoding",
  ),
  row("`abandon`, `reject` of an input message", AMQP, "abandons and rejects what it is given"),
  row("Messages to a device: `message`, `complete`", ALL, "a message to a device arrives as it was sent"),
  row("`abandon`, `reject` of a message to a device", AMQP, "a message that is abandoned comes again"),
  row("`getTwin`, reported and desired properties", ALL, "a %s reads its twin, reports and takes back"),
  row("`onDeviceMethod`, `onMethod`", ALL, "a %s is called with any JSON"),
  row("Refusal as `UnauthorizedError`", ALL, "%s is an UnauthorizedError, and the operator is told why"),
  row("Disabled or removed: disconnected at once", ALL, "a device that is %s is disconnected at once"),
  row("One connection per identity: the newest", ALL, "is the newer client's"),
  row("Goes on by itself after a restart", ALL, "after %s and a start each client goes on by itself"),
];
