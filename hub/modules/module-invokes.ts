/**
 * Calls that one module makes of others. A call leaves when the step that asked for it is durable (J1), and its
 * reply comes as a control record: at most once, since calls are volatile (J32). Nothing a module asks for here
 * can fail its step: what is wrong with a call is its reply.
 */
import { INVOKES_MAX, REPLY_STATUS, toErrorRecord } from "../../abi/index.ts";
import type { ControlRecord } from "../endpoints/module-link.ts";
import type { MethodResult } from "../face.ts";
import { decodeMethodRequest, MethodError, type MethodTargetName } from "../methods/method-call.ts";
import type { Methods } from "../methods/methods.ts";
import type { Invocation } from "./feature-effects.ts";
import { replyRecord, type Correlation } from "./feature-records.ts";

/** Replies that say no more than that too many calls are under way, waiting for the module. */
const BUSY_REPLIES_MAX = 1_024;
/** What the module is told when the hub failed, which it has no other words for. */
const STATUS_BY_CODE: Readonly<Record<string, number>> = {
  SP_METHOD_REQUEST: REPLY_STATUS.INVALID,
  SP_METHOD_OFFLINE: REPLY_STATUS.OFFLINE,
  SP_METHOD_BUSY: REPLY_STATUS.BUSY,
  SP_METHOD_RESULT: REPLY_STATUS.MALFORMED,
  SP_METHOD_TIMEOUT: REPLY_STATUS.TIMEOUT,
};

export interface ModuleInvokesHost {
  readonly gatewayId: string;
  readonly methods: Pick<Methods, "invoke">;
  handOver(record: ControlRecord): void;
  /** Resolves when the current step is durable. */
  durable(): Promise<void>;
}

export class ModuleInvokes {
  readonly #host: ModuleInvokesHost;
  /** From the effect until the module has handled the reply. */
  #underWay = 0;
  #busyReplies = 0;
  #isOpen = true;

  constructor(host: ModuleInvokesHost) {
    this.#host = host;
  }

  /** Whether there is room for the reply, at least. `read` is called if the call is made. */
  take(corr: Correlation, read: () => Invocation): boolean {
    if (this.#underWay < INVOKES_MAX) {
      this.#underWay++;
      void this.#call(read()).then((reply) => this.#reply(corr, reply, () => this.#underWay--));
      return true;
    }
    if (this.#busyReplies >= BUSY_REPLIES_MAX) return false;
    this.#busyReplies++;
    const reply = failure(REPLY_STATUS.BUSY, `more than ${INVOKES_MAX} calls of the module are under way`);
    void this.#host.durable().then(() => this.#reply(corr, reply, () => this.#busyReplies--));
    return true;
  }

  /** The incarnation is over: replies that are still to come are of no use to another. */
  close(): void {
    this.#isOpen = false;
  }

  /** Never rejects. */
  async #call(invocation: Invocation): Promise<Reply> {
    await this.#host.durable();
    try {
      const { gatewayId, methods } = this.#host;
      return answerOf(await methods.invoke(targetOf(invocation, gatewayId), requestOf(invocation)));
    } catch (error) {
      const { code, message } = toErrorRecord(error);
      return failure(STATUS_BY_CODE[code] ?? REPLY_STATUS.INVALID, message);
    }
  }

  #reply(corr: Correlation, { status, answer }: Reply, done: () => void): void {
    if (!this.#isOpen) return;
    this.#host.handOver({ entry: replyRecord(corr, status, answer), handled: done, blamed: done });
  }
}

interface Reply {
  readonly status: number;
  readonly answer: Buffer;
}

const targetOf = ({ deviceId, moduleId }: Invocation, gatewayId: string): MethodTargetName => ({
  deviceId: deviceId === "" ? gatewayId : deviceId,
  moduleId: moduleId === "" ? null : moduleId,
});

/** @throws {MethodError} SP_METHOD_REQUEST */
function requestOf({ name, payload, timeoutSecs }: Invocation): ReturnType<typeof decodeMethodRequest> {
  const timeout = timeoutSecs === 0 ? {} : { responseTimeoutInSeconds: timeoutSecs };
  return decodeMethodRequest({ methodName: name, payload: parse(payload), ...timeout });
}

function parse(payload: string): unknown {
  if (payload === "") return undefined;
  try {
    return JSON.parse(payload);
  } catch {
    throw new MethodError("SP_METHOD_REQUEST", "method request: the payload is not JSON");
  }
}

/** A callee's status below 0 would look like one of ours. */
const answerOf = ({ status, payload }: MethodResult): Reply => ({
  status: Math.max(0, status | 0),
  answer: payload === null ? Buffer.alloc(0) : Buffer.from(JSON.stringify(payload)),
});

const failure = (status: number, message: string): Reply => ({
  status,
  answer: Buffer.from(JSON.stringify({ message })),
});
