/**
 * CPU time of this thread, microseconds from an arbitrary start. Node 20 cannot tell it (procfs lags by a
 * scheduler tick, and costs more than a small batch): there it is wall time, which only errs towards
 * smaller batches.
 */
interface ThreadCpu {
  threadCpuUsage?(): { readonly user: number; readonly system: number };
}

export function threadCpuUs(): number {
  const usage = (process as ThreadCpu).threadCpuUsage?.();
  return usage === undefined ? performance.now() * 1000 : usage.user + usage.system;
}
