/**
 * Lines on their way to one reader. Bounded: a reader that is too slow loses the oldest and is told how many.
 */
export interface LogFollower {
  push(line: string): void;
  /** Nothing more will come; what is queued is still read. */
  end(): void;
  /** Every line in order, until the end. */
  lines(): AsyncGenerator<string>;
}

export function createLogFollower(linesMax: number): LogFollower {
  const queued: string[] = [];
  let skipped = 0;
  let ended = false;
  let wake = (): void => {};
  return {
    push(line) {
      if (queued.length >= linesMax) {
        queued.shift();
        skipped += 1;
      }
      queued.push(line);
      wake();
    },
    end() {
      ended = true;
      wake();
    },
    async *lines() {
      for (;;) {
        if (skipped > 0) {
          const count = skipped;
          skipped = 0;
          yield `... ${count} lines skipped: they came faster than they were read`;
        }
        const line = queued.shift();
        if (line !== undefined) yield line;
        else if (ended) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}
