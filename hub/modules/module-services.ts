/**
 * What a module in a sandbox gets beside its messages: its twin, calls of its methods, calls of others. One for
 * each incarnation. It is told of a result in two steps: `take` for each effect, `applied` at the end of them.
 */
import { EFFECT, type Block } from "../../abi/index.ts";
import type { ControlRecord } from "../endpoints/module-link.ts";
import type { ModuleOpen } from "../face.ts";
import type { Metrics } from "../metrics.ts";
import type { MethodTarget, Methods } from "../methods/methods.ts";
import type { Twins } from "../twins/twins.ts";
import { corrOf, invocationOf, methodReplyOf, reportOf } from "./feature-effects.ts";
import { ModuleInvokes } from "./module-invokes.ts";
import { ModuleMethods } from "./module-methods.ts";
import { ModuleTwin } from "./module-twin.ts";

export interface ServicesHost {
  readonly gatewayId: string;
  readonly twins: Twins;
  readonly methods: Pick<Methods, "invoke" | "answered" | "appeared">;
  readonly metrics: Metrics;
  /** Resolves when the current step is durable; asked for when the step is over, lest it be split (J9). */
  durable(): Promise<void>;
}

/** The way to the module. */
export interface ServicesLink {
  control(record: ControlRecord): void;
  /** A line for the module's log. */
  tell(text: string): void;
}

export class ModuleServices {
  readonly #host: ServicesHost;
  readonly #link: ServicesLink;
  readonly #name: { readonly deviceId: string; readonly moduleId: string };
  readonly #twin: ModuleTwin | null;
  readonly #methods: ModuleMethods | null;
  readonly #invokes: ModuleInvokes | null;
  #isReady = false;
  /** Of the result that is being applied. */
  #refusal = "";
  #refused = 0;

  constructor({ name, capabilities, methods = [] }: ModuleOpen, link: ServicesLink, host: ServicesHost) {
    this.#host = host;
    this.#link = link;
    this.#name = { deviceId: host.gatewayId, moduleId: name };
    const handOver = (record: ControlRecord): void => link.control(record);
    this.#twin = capabilities.includes("twin") ? new ModuleTwin(this.#name, host.twins, handOver) : null;
    this.#invokes = capabilities.includes("invoke") ? new ModuleInvokes({ ...host, handOver }) : null;
    const answer = (rid: string, status: number, body: Buffer): void =>
      void host.durable().then(() => host.methods.answered(this.#name, rid, status, body));
    this.#methods = methods.length > 0 ? new ModuleMethods(methods, { handOver, answer }) : null;
  }

  /** What the module's configuration is, if it is to be its desired properties. */
  get desired(): { readonly version: number; readonly values: object } | null {
    if (this.#twin === null) return null;
    const { version, values } = this.#twin.desired;
    return { version, values };
  }

  /** Whoever can be called; `null` while the module starts. */
  get target(): MethodTarget | null {
    return this.#isReady ? this.#methods : null;
  }

  ready(): void {
    this.#isReady = true;
    this.#twin?.changed();
    if (this.#methods !== null) this.#host.methods.appeared(this.#name);
  }

  desiredChanged(): void {
    if (this.#isReady) this.#twin?.changed();
  }

  /** An effect of the result that is being applied; `at` is its header. */
  take(kind: number, block: Block, at: number): void {
    const { metrics } = this.#host;
    switch (kind) {
      case EFFECT.REPORT:
        metrics.module_reports++;
        if (this.#twin?.report(() => reportOf(block, at)) !== true)
          this.#refuse("report: too many in one result");
        return;
      case EFFECT.METHOD_REPLY:
        this.#methods?.replied(methodReplyOf(block, at));
        return;
      case EFFECT.INVOKE:
        metrics.module_invokes++;
        if (this.#invokes?.take(corrOf(block, at), () => invocationOf(block, at)) !== true)
          this.#refuse("invoke: far too many calls are under way, there is no reply");
    }
  }

  /** All effects of a result were taken: what they come to is still part of its step. */
  applied(): void {
    for (const why of this.#twin?.applyReports() ?? []) this.#refuse(why);
    if (this.#refused === 0) return;
    const others = this.#refused > 1 ? `, and ${this.#refused - 1} more of this batch` : "";
    this.#link.tell(`refused: ${this.#refusal}${others}`);
    this.#refused = 0;
  }

  /** The incarnation is over. */
  close(): void {
    this.#isReady = false;
    this.#methods?.close();
    this.#invokes?.close();
  }

  #refuse(why: string): void {
    this.#host.metrics.module_refusals++;
    if (this.#refused++ === 0) this.#refusal = why;
  }
}
