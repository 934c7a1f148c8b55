/**
 * Calls of one module's methods, from the hand-over of their record to the answer. Every call that comes in is
 * answered once: by the module, or for it. They are volatile (J32); how many there may be is `Methods`' to say.
 */
import type { Fault } from "../../abi/index.ts";
import type { ControlRecord } from "../endpoints/module-link.ts";
import type { MethodInvocation, MethodTarget } from "../methods/methods.ts";
import type { MethodReply } from "./feature-effects.ts";
import { methodRecord } from "./feature-records.ts";

/** What a module is spared, or did not answer, as HTTP has it. */
const STATUS = { UNKNOWN: 404, FAULT: 500, UNANSWERED: 501, GONE: 503 } as const;

export interface ModuleMethodsHost {
  handOver(record: ControlRecord): void;
  /** When what the module did is durable (J1). */
  answer(rid: string, status: number, body: Buffer): void;
}

export class ModuleMethods implements MethodTarget {
  readonly #names: ReadonlySet<string>;
  readonly #host: ModuleMethodsHost;
  /** Those under way, by the correlation that the module knows. */
  readonly #rids = new Map<number, string>();
  #last = 0;

  constructor(names: readonly string[], host: ModuleMethodsHost) {
    this.#names = new Set(names);
    this.#host = host;
  }

  invoke({ rid, name, payload }: MethodInvocation): void {
    if (!this.#names.has(name)) {
      return this.#host.answer(rid, STATUS.UNKNOWN, messageBody(`the module has no method "${name}"`));
    }
    const corr = ++this.#last;
    this.#rids.set(corr, rid);
    this.#host.handOver({
      entry: methodRecord(corr, Buffer.from(name), payload),
      handled: () => this.#answer(corr, STATUS.UNANSWERED, "the method returned without a reply"),
      blamed: (fault: Fault) => this.#answer(corr, STATUS.FAULT, `${fault.kind}: ${fault.message}`),
    });
  }

  replied({ corr, status, answer }: MethodReply): void {
    const rid = this.#rids.get(corr);
    if (rid === undefined) return;
    this.#rids.delete(corr);
    this.#host.answer(rid, status, answer);
  }

  /** The incarnation is over. */
  close(): void {
    for (const corr of this.#rids.keys()) {
      this.#answer(corr, STATUS.GONE, "the module ended before it answered");
    }
  }

  #answer(corr: number, status: number, message: string): void {
    this.replied({ corr, status, answer: messageBody(message) });
  }
}

const messageBody = (message: string): Buffer => Buffer.from(JSON.stringify({ message }));
