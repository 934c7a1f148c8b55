/**
 * One line at the bottom of the terminal, redrawn in place while other text scrolls above it. Without a
 * terminal the same text is printed as an ordinary line, now and then.
 */
export interface StatusLine {
  /** Text above the line; may be several lines. */
  readonly print: (text: string) => void;
  readonly update: (status: string) => void;
  /** Takes the line away; nothing is drawn after it. */
  readonly end: () => void;
}

export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Without a terminal: a line this often. */
const PLAIN_INTERVAL_MS = 10_000;
const COLUMNS_DEFAULT = 80;
/** Back to the first column, erase to the end of the line. */
const CLEAR = "\r\x1b[K";

export function createStatusLine(output: Output, nowMs: () => number): StatusLine {
  return output.isTTY === true ? terminalLine(output) : plainLines(output, nowMs);
}

function terminalLine(output: Output): StatusLine {
  let status = "";
  let ended = false;
  // A line as wide as the terminal would wrap, and then be two.
  const drawn = () => status.slice(0, (output.columns || COLUMNS_DEFAULT) - 1);
  return {
    print: (text) => void output.write(`${CLEAR}${text}\n${ended ? "" : drawn()}`),
    update: (next) => {
      status = next;
      if (!ended) output.write(CLEAR + drawn());
    },
    end: () => {
      if (!ended) output.write(CLEAR);
      ended = true;
    },
  };
}

function plainLines(output: Output, nowMs: () => number): StatusLine {
  let lastMs = nowMs();
  let ended = false;
  return {
    print: (text) => void output.write(`${text}\n`),
    update: (status) => {
      if (ended || nowMs() - lastMs < PLAIN_INTERVAL_MS) return;
      lastMs = nowMs();
      output.write(`${status}\n`);
    },
    end: () => {
      ended = true;
    },
  };
}
