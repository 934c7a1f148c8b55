/**
 * Calls over a MessagePort: a method name and structured-cloneable arguments there, a value or an error record
 * back. Both ends of the hub's thread boundary are here, so that they cannot drift apart.
 */
import { MessagePort } from "node:worker_threads";
import { fromErrorRecord, toErrorRecord, type ErrorRecord } from "../../abi/index.ts";

interface Call {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

type Reply =
  { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: ErrorRecord };

interface Endpoint {
  postMessage(value: unknown, transfer?: readonly MessagePort[]): void;
  on(event: "message", listener: (value: unknown) => void): unknown;
}

/** Serves every method of `target` to the other end. */
export function serve(end: Endpoint, target: object): void {
  const methods = target as Record<string, (...args: readonly unknown[]) => Promise<unknown>>;
  end.on("message", (value) => {
    const { id, method, args } = value as Call;
    void Promise.resolve()
      .then(() => methods[method]!(...args))
      .then(
        (result) => end.postMessage({ id, value: result } satisfies Reply),
        (error: unknown) => end.postMessage({ id, error: toErrorRecord(error) } satisfies Reply),
      );
  });
}

export interface Caller {
  call(method: string, args: readonly unknown[]): Promise<unknown>;
  /** Rejects every call under way and to come. */
  fail(error: Error): void;
}

export function caller(end: Endpoint): Caller {
  const pending = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let next = 1;
  let failure: Error | null = null;
  end.on("message", (value) => {
    const reply = value as Reply;
    const waiting = pending.get(reply.id);
    if (waiting === undefined) return;
    pending.delete(reply.id);
    if ("error" in reply) waiting.reject(fromErrorRecord(reply.error));
    else waiting.resolve(reply.value);
  });
  return {
    call: (method, args) =>
      new Promise((resolve, reject) => {
        if (failure !== null) return reject(failure);
        const id = next++;
        pending.set(id, { resolve, reject });
        end.postMessage(
          { id, method, args },
          args.filter((arg) => arg instanceof MessagePort),
        );
      }),
    fail: (error) => {
      failure = error;
      for (const { reject } of pending.values()) reject(error);
      pending.clear();
    },
  };
}
