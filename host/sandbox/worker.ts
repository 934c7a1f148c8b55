/**
 * Entry of a sandbox worker: one module, one thread. Batches come over the link and results go back over it,
 * in order; everything else (log, faults, stop) goes over the parent port.
 *
 * Of this thread's JavaScript nothing is the module's: it runs wasm only, with the imports it was granted.
 */
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import type { LinkBatch, ToModule } from "../../abi/index.ts";
import { BatchRunner } from "./batch-runner.ts";
import { GuestLog } from "./guest-log.ts";
import type { HostState } from "./host-calls.ts";
import { KvOverlay } from "./kv-overlay.ts";
import { toFault, WorkerFault } from "./trap.ts";
import { loadWasiLibrary } from "./wasi-library.ts";
import { WatchCell } from "./watch-cell.ts";
import type { FromWorker, ToWorker, WorkerInput } from "./worker-protocol.ts";

const EXIT_FAULT = 1;
/** Deep enough for the guest frames that a fault shows, and the host's in front of them. */
const STACK_FRAMES_MAX = 48;

const parent = parentPort!;
const { spec, wasi } = workerData as WorkerInput;
const post = (message: FromWorker): void => parent.postMessage(message);

Error.stackTraceLimit = STACK_FRAMES_MAX;
const watch = new WatchCell(spec.watch);
watch.identify();

const host: HostState = {
  kv: new KvOverlay(spec.kv, spec.limits.kvBytesMax),
  log: new GuestLog(spec.limits.logLinesPerSecond, (lines) => post({ type: "log", lines })),
  sources: new Map(),
  nowWall: 0,
};
const context = { spec, host, watch, wasi: wasi === null ? null : loadWasiLibrary(wasi) };
const runner = new BatchRunner(context, (recovery) => post({ type: "recovery", recovery }));

parent.on("message", (message: ToWorker) => {
  if (message.type === "link") guarded(() => begin(message.port));
  else end(0);
});

function begin(link: MessagePort): void {
  runner.prepare();
  host.log.flush();
  link.on("message", (message: ToModule) => guarded(() => receive(link, message)));
  post({ type: "ready" });
}

function receive(link: MessagePort, message: ToModule): void {
  switch (message.type) {
    case "batch":
      return runBatch(link, message);
    case "sources":
      for (const [id, name] of message.names) host.sources.set(id, Buffer.from(name));
      return;
    case "refused":
      host.log.write("warn", message.text);
      host.log.flush();
  }
}

function runBatch(link: MessagePort, batch: LinkBatch): void {
  const result = runner.run(batch);
  link.postMessage(result, [result.buffer]);
  host.log.flush();
  // An instance that a poison record cost is made anew now, not when the next batch waits for it.
  runner.prepare();
}

/** What no record can be blamed for ends the worker, and the supervisor decides what then. */
function guarded(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof WorkerFault)) throw error;
    post({ type: "fault", fault: toFault(error, null) });
    end(EXIT_FAULT);
  }
}

function end(code: number): never {
  runner.dispose();
  host.log.close();
  process.exit(code);
}
