/** The life of a foreground process: start, wait for SIGINT or SIGTERM, stop. A second signal ends it at once. */

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
/** As the contract has it for a shutdown (§2.3): what has not drained by then is abandoned, not lost. */
const STOP_TIMEOUT_MS = 60_000;

export interface Stoppable {
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly onStopping: () => void;
}

/** Resolves to the exit code. @throws what `start` threw; whatever came up before is stopped first */
export async function untilStopped({ start, stop, onStopping }: Stoppable): Promise<number> {
  let signals = 0;
  let wake = () => {};
  const signalled = new Promise<void>((resolve) => (wake = resolve));
  const onSignal = () => {
    signals += 1;
    if (signals > 1) process.exit(1);
    wake();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    await Promise.race([start(), signalled]);
    await signalled;
    onStopping();
    return await stopWithin(stop, STOP_TIMEOUT_MS);
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

/** 0, or 1 when it took too long. */
async function stopWithin(stop: () => Promise<void>, timeoutMs: number): Promise<number> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<number>((resolve) => {
    timer = setTimeout(() => resolve(1), timeoutMs);
  });
  const code = await Promise.race([stop().then(() => 0), late]);
  clearTimeout(timer);
  return code;
}
