import { expect, test } from "vitest";
import { createStatusLine } from "../../../toolchain/demo/status-line.ts";

function capture(isTTY: boolean, columns = 20) {
  const written: string[] = [];
  let now = 0;
  const output = { isTTY, columns, write: (text: string) => void written.push(text) };
  const line = createStatusLine(output, () => now);
  return { line, written, pass: (ms: number) => void (now += ms) };
}

test("on a terminal the line is redrawn in place, below what is printed", () => {
  const { line, written } = capture(true);
  line.update("in 1");
  line.print("deployed");
  line.update("in 2");
  expect(written).toEqual(["\r\x1b[Kin 1", "\r\x1b[Kdeployed\nin 1", "\r\x1b[Kin 2"]);
});

test("a line wider than the terminal is cut, not wrapped", () => {
  const { line, written } = capture(true, 10);
  line.update("0123456789abc");
  expect(written).toEqual(["\r\x1b[K012345678"]);
});

test("when it ends the line is gone, and what is printed stands alone", () => {
  const { line, written } = capture(true);
  line.update("in 1");
  line.end();
  line.update("in 2");
  line.print("stopped");
  expect(written.slice(1)).toEqual(["\r\x1b[K", "\r\x1b[Kstopped\n"]);
});

test("without a terminal there is no escape, and a status only now and then", () => {
  const { line, written, pass } = capture(false);
  line.print("deployed");
  line.update("in 1");
  pass(10_000);
  line.update("in 2");
  line.update("in 3");
  expect(written).toEqual(["deployed\n", "in 2\n"]);
});
