/** The life of a foreground process: start, wait to be told, stop. A second signal ends it at once. */

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** One Ctrl-C may arrive twice: from the terminal, and from npm, which passes on what it gets. */
const SAME_PRESS_MS = 500;
/** As the contract has it for a shutdown (§2.3): what has not drained by then is abandoned, not lost. */
const STOP_TIMEOUT_MS = 60_000;

export interface Stoppable {
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly onStopping: () => void;
  /** It takes too long; the process ends next. */
  readonly onLate: () => void;
}

/** Resolves to the exit code. @throws what `start` threw, which has stopped what came up before */
export async function untilStopped({ start, stop, onStopping, onLate }: Stoppable): Promise<number> {
  const { signalled, release } = listenForSignals();
  try {
    await Promise.race([start(), signalled]);
    await signalled;
    onStopping();
    const timer = setTimeout(() => {
      onLate();
      process.exit(1);
    }, STOP_TIMEOUT_MS);
    await stop();
    clearTimeout(timer);
    return 0;
  } finally {
    release();
  }
}

function listenForSignals(): { readonly signalled: Promise<void>; readonly release: () => void } {
  let firstMs: number | null = null;
  let wake = () => {};
  const signalled = new Promise<void>((resolve) => (wake = resolve));
  const onSignal = () => {
    if (firstMs !== null && performance.now() - firstMs > SAME_PRESS_MS) process.exit(1);
    firstMs ??= performance.now();
    wake();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  const release = () => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
  return { signalled, release };
}
