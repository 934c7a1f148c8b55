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
  on?(event: "resize", listener: () => void): unknown;
  off?(event: "resize", listener: () => void): unknown;
}

/** Without a terminal: a line this often. */
const PLAIN_INTERVAL_MS = 10_000;
const COLUMNS_DEFAULT = 80;
/** Back to the first column, erase from there to the end of the screen. */
const CLEAR = "\r\x1b[J";
const UP = "\x1b[A";

export function createStatusLine(output: Output, nowMs: () => number): StatusLine {
  return output.isTTY === true ? terminalLine(output) : plainLines(output, nowMs);
}

function terminalLine(output: Output): StatusLine {
  let status = "";
  let drawn = "";
  let ended = false;
  const columns = () => output.columns || COLUMNS_DEFAULT;
  /** A terminal that was made narrower has broken the line in several, and left the cursor in the last. */
  const clear = () => UP.repeat(Math.max(0, Math.ceil(drawn.length / columns()) - 1)) + CLEAR;
  const redraw = (above = "") => {
    const cleared = clear();
    // A line as wide as the terminal would wrap, and then be two.
    drawn = ended ? "" : status.slice(0, columns() - 1);
    output.write(cleared + above + drawn);
  };
  const onResize = () => redraw();
  output.on?.("resize", onResize);
  return {
    print: (text) => redraw(`${text}\n`),
    update: (next) => {
      status = next;
      if (!ended) redraw();
    },
    end: () => {
      output.off?.("resize", onResize);
      if (ended) return;
      ended = true;
      redraw();
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
