/**
 * AMQP clients that cost little themselves: frames are encoded once, and only what is counted is read of what comes
 * back. Producers keep a window of unsettled messages; a consumer settles each message and renews its credit.
 */
import { connect, type Socket } from "node:net";
import frames from "rhea/lib/frames.js";
import rhea from "rhea";
import termini from "rhea/lib/terminus.js";
import { frame, HEADER, SASL_HEADER, saslFrame } from "../hub/amqp/wire.ts";
import { BenchError } from "./bench-error.ts";

const CODE = { FLOW: 0x13, TRANSFER: 0x14, DISPOSITION: 0x15, DETACH: 0x16, CLOSE: 0x18 } as const;
const ACCEPTED = 0x24;
const FRAME_BYTES_MIN = 8;
const BODY_BYTES = 300;
/** Digits of a message's number, at the beginning of its body. */
const NUMBER_DIGITS = 12;
const CONSUMER_CREDIT = 1_000;

export interface AmqpLogin {
  /** `device@sas.host`, or `device/modules/module@sas.host`. */
  readonly user: string;
  readonly token: string;
  /** Of the link. */
  readonly address: string;
}

/** A connection with a session on channel 0, cut into frames. */
abstract class AmqpClient implements Disposable {
  readonly faults: string[] = [];
  protected readonly socket: Socket;
  #held: Buffer = Buffer.alloc(0);
  #isEnding = false;

  constructor(port: number, { user, token }: AmqpLogin) {
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket.on("data", (bytes: Buffer) => this.#onData(bytes));
    this.socket.on("error", (error) => this.faults.push(error.message));
    this.socket.on("close", () => {
      if (!this.#isEnding) this.faults.push("the connection was ended");
    });
    const response = Buffer.from(`\0${user}\0${token}`);
    this.socket.write(
      Buffer.concat([
        SASL_HEADER,
        saslFrame("sasl_init", { mechanism: "PLAIN", initial_response: response }),
        HEADER,
        frame("open", { container_id: "bench" }),
        frame("begin", { next_outgoing_id: 0, incoming_window: 0x7fffffff, outgoing_window: 0x7fffffff }),
      ]),
    );
  }

  #onData(bytes: Buffer): void {
    const all = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    let at = 0;
    while (all.length - at >= FRAME_BYTES_MIN) {
      const isHeader = all[at] === 0x41; // "A": no frame is so large
      const size = isHeader ? HEADER.length : all.readUInt32BE(at);
      if (all.length - at < size) break;
      if (!isHeader && size > FRAME_BYTES_MIN) this.#onFrame(all, at, at + size);
      at += size;
    }
    this.#held = all.subarray(at);
    this.onTurn();
  }

  #onFrame(bytes: Buffer, from: number, to: number): void {
    const code = bytes[from + 10]!;
    if (code === CODE.DETACH || code === CODE.CLOSE) {
      this.faults.push(`refused: ${bytes.toString("latin1", from + 11, to).replace(/[^ -~]+/g, " ")}`);
    }
    this.onFrame(code, bytes, from, to);
  }

  protected abstract onFrame(code: number, bytes: Buffer, from: number, to: number): void;
  /** All that was read is handled. */
  protected abstract onTurn(): void;

  [Symbol.dispose](): void {
    this.#isEnding = true;
    this.socket.destroy();
  }
}

const performativeOf = (bytes: Buffer, from: number, to: number): { readonly [field: string]: unknown } =>
  frames.read_frame(Buffer.from(bytes.subarray(from, to)))!.performative;

export class AmqpProducer extends AmqpClient {
  /** Messages begun, and those that were accepted. */
  sent = 0;
  accepted = 0;
  readonly #window: number;
  readonly #transfer: Buffer;
  #limit = 0;
  #isStopped = false;

  constructor(port: number, login: AmqpLogin, window: number) {
    super(port, login);
    this.#window = window;
    this.#transfer = transferOf();
    const target = termini.target({ address: login.address }).described();
    this.socket.write(
      frame("attach", { name: "bench", handle: 0, role: false, target, initial_delivery_count: 0 }),
    );
  }

  /** Begins nothing more. */
  stop(): void {
    this.#isStopped = true;
  }

  protected override onFrame(code: number, bytes: Buffer, from: number, to: number): void {
    if (code === CODE.FLOW) {
      const { handle, delivery_count: count, link_credit: credit } = performativeOf(bytes, from, to);
      if (handle === 0) this.#limit = Number(count) + Number(credit);
    } else if (code === CODE.DISPOSITION) {
      const { first, last, state } = performativeOf(bytes, from, to);
      const { descriptor } = state as { descriptor: { value: unknown } };
      if (descriptor.value === ACCEPTED) this.accepted += Number(last ?? first) - Number(first) + 1;
      else this.faults.push(`${String(first)} was not accepted`);
    }
  }

  /** As many as window and credit allow, in one write. */
  protected override onTurn(): void {
    const free = Math.min(this.#window - (this.sent - this.accepted), this.#limit - this.sent);
    if (this.#isStopped || free <= 0) return;
    const size = this.#transfer.length;
    const bytes = Buffer.allocUnsafe(size * free);
    for (let i = 0; i < free; i++) {
      this.#transfer.copy(bytes, i * size);
      bytes.writeUInt32BE(this.sent, i * size + AT.DELIVERY_ID);
      bytes.write(String(this.sent).padStart(NUMBER_DIGITS, "0"), (i + 1) * size - BODY_BYTES, "latin1");
      this.sent++;
    }
    this.socket.write(bytes);
  }
}

/** Frame header, described list of 32 bits, handle 0, then the id's constructor. */
const AT = { DELIVERY_ID: 8 + 3 + 9 + 1 + 1 } as const;

/** One transfer with a message of 300 B of data. Its delivery id takes four bytes, and its body lies at the end. */
function transferOf(): Buffer {
  const body = Buffer.alloc(BODY_BYTES, "x");
  const message = rhea.message.encode({ body: rhea.message.data_section(body) });
  // Behind the list's size and count: handle 0, the id, a tag, format 0, not settled.
  const fields = Buffer.from([
    0x00,
    0x53,
    CODE.TRANSFER,
    0xd0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    5,
    0x43,
    0x70,
    0,
    0,
    0,
    0,
    0xa0,
    1,
    0x74,
    0x43,
    0x42,
  ]);
  fields.writeUInt32BE(fields.length - 8, 4);
  const header = Buffer.alloc(FRAME_BYTES_MIN);
  header.writeUInt32BE(header.length + fields.length + message.length, 0);
  header[4] = 2;
  return Buffer.concat([header, fields, message]);
}

export class AmqpConsumer extends AmqpClient {
  received = 0;
  #settled = 0;
  #credit = CONSUMER_CREDIT;

  constructor(port: number, login: AmqpLogin) {
    super(port, login);
    const source = termini.source({ address: login.address }).described();
    this.socket.write(frame("attach", { name: "bench", handle: 0, role: true, rcv_settle_mode: 0, source }));
    this.#grant();
  }

  protected override onFrame(code: number, bytes: Buffer, _from: number, to: number): void {
    if (code !== CODE.TRANSFER) return;
    const number = bytes.toString("latin1", to - BODY_BYTES, to - BODY_BYTES + NUMBER_DIGITS);
    if (!/^\d+$/.test(number)) this.faults.push(`damaged: "${number}"`);
    this.received++;
  }

  protected override onTurn(): void {
    if (this.received === this.#settled) return;
    const state = accepted({}).described();
    const range = { first: this.#settled, last: this.received - 1 };
    this.socket.write(frame("disposition", { role: true, ...range, settled: true, state }));
    this.#settled = this.received;
    if (this.#credit - this.received < CONSUMER_CREDIT / 2) {
      this.#credit = this.received + CONSUMER_CREDIT;
      this.#grant();
    }
  }

  #grant(): void {
    const session = {
      next_incoming_id: this.received,
      incoming_window: 0x7fffffff,
      next_outgoing_id: 0,
      outgoing_window: 0x7fffffff,
    };
    const link = { handle: 0, delivery_count: this.received, link_credit: this.#credit - this.received };
    this.socket.write(frame("flow", { ...session, ...link }));
  }
}

/** rhea's types leave it out. */
const { accepted } = rhea.message as unknown as Record<
  "accepted",
  (fields: object) => { described(): object }
>;

/** Resolves once `condition` holds. @throws {BenchError} SP_BENCH_CLIENT */
export async function reached(what: string, condition: () => boolean, timeoutMs: number): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > end) throw new BenchError("SP_BENCH_CLIENT", `amqp: never ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
