import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { createStatusLine } from "../../../toolchain/demo/status-line.ts";

function capture(isTTY: boolean, columns = 20) {
  const written: string[] = [];
  let now = 0;
  const write = (text: string) => void written.push(text);
  const output = Object.assign(new EventEmitter(), { isTTY, columns, write });
  const line = createStatusLine(output, () => now);
  const resize = (next: number) => {
    output.columns = next;
    output.emit("resize");
  };
  return { line, written, output, resize, pass: (ms: number) => void (now += ms) };
}

test("on a terminal the line is redrawn in place, below what is printed", () => {
  const { line, written } = capture(true);
  line.update("in 1");
  line.print("deployed");
  line.update("in 2");
  expect(written).toEqual(["\r\x1b[Jin 1", "\r\x1b[Jdeployed\nin 1", "\r\x1b[Jin 2"]);
});

test("a line wider than the terminal is cut, not wrapped", () => {
  const { line, written } = capture(true, 10);
  line.update("0123456789abc");
  expect(written).toEqual(["\r\x1b[J012345678"]);
});

test("a terminal made narrower has broken the line in three, which are one again", () => {
  const { line, written, resize } = capture(true);
  line.update("0123456789");
  resize(4);
  expect(written.at(-1)).toBe("\x1b[A\x1b[A\r\x1b[J012");
  resize(20);
  expect(written.at(-1)).toBe("\r\x1b[J0123456789");
});

test("when it has ended, a resize draws nothing", () => {
  const { line, written, resize, output } = capture(true);
  line.update("in 1");
  line.end();
  const before = written.length;
  resize(4);
  expect(written).toHaveLength(before);
  expect(output.listenerCount("resize")).toBe(0);
});

test("when it ends the line is gone, and what is printed stands alone", () => {
  const { line, written } = capture(true);
  line.update("in 1");
  line.end();
  line.update("in 2");
  line.print("stopped");
  expect(written.slice(1)).toEqual(["\r\x1b[J", "\r\x1b[Jstopped\n"]);
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
