/**
 * Entry of the hub's thread. A failure that only recovery from disk can mend ends it (J17): sockets close
 * unacknowledged, and whoever owns the thread makes a new one.
 */
import { parentPort } from "node:worker_threads";
import { LocalHub } from "../hub.ts";
import { serve } from "./rpc.ts";

if (parentPort === null) throw new Error("hub/thread is the entry of a worker thread");
const port = parentPort;
const failStop = (error: Error): void => {
  setImmediate(() => {
    throw error;
  });
};

// lmdb reports a failed commit by more rejections than it gives promises for; the journal has taken the one
// that counts (J15). Anything else nobody handles is a bug, and ends the thread.
process.on("unhandledRejection", (reason) => {
  if (reason instanceof Error && reason.message.startsWith("Commit failed")) return;
  failStop(reason instanceof Error ? reason : new Error(String(reason)));
});

serve(port, new LocalHub(failStop));
