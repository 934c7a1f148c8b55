/**
 * Direct method calls under way. They are volatile (J32): not stored, lost with the hub, and the caller then
 * hears of a time-out. A call waits for its callee to be there, then for the answer; each wait has its end.
 */
import { randomUUID } from "node:crypto";
import type { MethodResult } from "../face.ts";
import { decodeMethodResult, MethodError, type MethodCall, type MethodTargetName } from "./method-call.ts";

/** Calls under way, over all callees; and to one. */
const CALLS_MAX = 1_024;
const CALLS_PER_TARGET_MAX = 64;

/** A call on its way to the callee. `rid` comes back with the answer. */
export interface MethodInvocation {
  readonly rid: string;
  readonly name: string;
  /** JSON. */
  readonly payload: Buffer;
}

/** Who can be called: a client that is interested in methods, or a WASM module. */
export interface MethodTarget {
  invoke(invocation: MethodInvocation): void;
}

interface Waiting {
  readonly target: string;
  readonly invocation: MethodInvocation;
  readonly responseTimeoutMs: number;
  readonly resolve: (result: MethodResult) => void;
  readonly reject: (error: MethodError) => void;
  timer: NodeJS.Timeout;
  isDelivered: boolean;
}

export class Methods {
  readonly #find: (name: MethodTargetName) => MethodTarget | null;
  /** By rid, oldest first. */
  readonly #calls = new Map<string, Waiting>();

  /** @param find whoever can be called by that name right now */
  constructor(find: (name: MethodTargetName) => MethodTarget | null) {
    this.#find = find;
  }

  /**
   * @throws {MethodError} SP_METHOD_OFFLINE: not there within the connect time-out; SP_METHOD_TIMEOUT: no
   *   answer within the response time-out; SP_METHOD_RESULT: an answer that is none; SP_METHOD_BUSY
   */
  invoke(name: MethodTargetName, call: MethodCall): Promise<MethodResult> {
    const target = textOf(name);
    const callee = this.#find(name);
    if (callee === null && call.connectTimeoutMs === 0) return Promise.reject(offline(target));
    if (this.#calls.size >= CALLS_MAX || this.#countOf(target) >= CALLS_PER_TARGET_MAX) {
      return Promise.reject(busy(target));
    }
    return new Promise((resolve, reject) => {
      const invocation = { rid: randomUUID(), name: call.name, payload: call.payload };
      const timer = setTimeout(() => this.#giveUp(invocation.rid), call.connectTimeoutMs);
      const { responseTimeoutMs } = call;
      const waiting = { target, invocation, responseTimeoutMs, resolve, reject, timer, isDelivered: false };
      this.#calls.set(invocation.rid, waiting);
      if (callee !== null) this.#deliver(waiting, callee);
    });
  }

  /** Somebody can be called now: what waited for that goes out, in order. */
  appeared(name: MethodTargetName): void {
    const target = textOf(name);
    for (const waiting of this.#calls.values()) {
      if (waiting.target !== target || waiting.isDelivered) continue;
      const callee = this.#find(name);
      if (callee !== null) this.#deliver(waiting, callee);
    }
  }

  #deliver(waiting: Waiting, callee: MethodTarget): void {
    clearTimeout(waiting.timer);
    waiting.isDelivered = true;
    waiting.timer = setTimeout(() => this.#giveUp(waiting.invocation.rid), waiting.responseTimeoutMs);
    callee.invoke(waiting.invocation);
  }

  /**
   * An answer. One that is late, or given twice, or of somebody who was not asked, is ignored (contract §4.8).
   * `rid` is compared without case: some clients hand it back as a uuid of their own form (contract §5.7).
   */
  answered(from: MethodTargetName, rid: string, status: number, body: Buffer): void {
    const waiting = this.#calls.get(rid.toLowerCase());
    if (waiting === undefined || !waiting.isDelivered || waiting.target !== textOf(from)) return;
    this.#end(rid.toLowerCase());
    const result = decodeMethodResult(status, body);
    if ("fault" in result) waiting.reject(badResult(waiting.target, result.fault));
    else waiting.resolve(result);
  }

  #giveUp(rid: string): void {
    const waiting = this.#calls.get(rid)!;
    this.#end(rid);
    waiting.reject(waiting.isDelivered ? unanswered(waiting.target) : offline(waiting.target));
  }

  #end(rid: string): void {
    clearTimeout(this.#calls.get(rid)!.timer);
    this.#calls.delete(rid);
  }

  #countOf(target: string): number {
    let count = 0;
    for (const waiting of this.#calls.values()) if (waiting.target === target) count++;
    return count;
  }

  /** The hub stops: nobody will answer any more. */
  close(): void {
    for (const [rid, { target, reject }] of this.#calls) {
      this.#end(rid);
      reject(unanswered(target));
    }
  }
}

const textOf = ({ deviceId, moduleId }: MethodTargetName): string =>
  moduleId === null ? deviceId : `${deviceId}/${moduleId}`;

const offline = (target: string): MethodError =>
  new MethodError("SP_METHOD_OFFLINE", `method: "${target}" is not connected, or takes no methods`, {
    details: { target },
    hint: "connectTimeoutInSeconds says how long to wait for it",
  });

const unanswered = (target: string): MethodError =>
  new MethodError("SP_METHOD_TIMEOUT", `method: "${target}" did not answer in time`, { details: { target } });

const busy = (target: string): MethodError =>
  new MethodError("SP_METHOD_BUSY", `method: too many calls wait for "${target}", or for all together`, {
    details: { target },
    hint: "try again when some have been answered",
  });

const badResult = (target: string, what: string): MethodError =>
  new MethodError("SP_METHOD_RESULT", `method: "${target}" ${what}`, { details: { target } });
