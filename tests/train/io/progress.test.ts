import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { createProgress, formatDuration, timeLeftMs } from "../../../src/train/io/progress.ts";

/** A stream that keeps what is written; as a terminal it is 100 columns wide. */
function memoryStream(isTTY: boolean): { stream: NodeJS.WriteStream; text: () => string } {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  // the parts of a terminal stream that are used here
  const terminal = Object.assign(stream, { isTTY, columns: 100, rows: 30, fd: 2 });
  return { stream: terminal as unknown as NodeJS.WriteStream, text: () => chunks.join("") };
}

test("durations read as hours, minutes and seconds", () => {
  expect([0, 61_000, 3_723_000, Number.NaN].map(formatDuration)).toEqual(["0:00", "1:01", "1:02:03", "?"]);
});

test("time left follows the average pace, and is unknown before the first unit", () => {
  expect(timeLeftMs(10, 30, 5000)).toBe(15_000);
  expect(timeLeftMs(0, 30, 5000)).toBeNaN();
});

test("without a terminal a plain line comes at most every five seconds, and the last state always", () => {
  const { stream, text } = memoryStream(false);
  let clock = 0;
  const progress = createProgress({ title: "train", total: 100, stream, now: () => clock });
  for (let step = 1; step <= 100; step++) {
    clock += 100;
    progress.update(step, { loss: 0.75, margin: 0.25 });
  }
  progress.stop();
  progress.stop();
  const lines = text().trimEnd().split("\n");
  expect(lines).toEqual([
    "train 1/100  loss 0.7500  margin 0.2500  left 0:10",
    "train 51/100  loss 0.7500  margin 0.2500  left 0:05",
    "train 100/100  loss 0.7500  margin 0.2500  took 0:10",
  ]);
});

test("units done before this process do not make it look faster", () => {
  const { stream, text } = memoryStream(false);
  let clock = 0;
  const progress = createProgress({ title: "train", total: 100, initial: 90, stream, now: () => clock });
  clock = 60_000;
  progress.update(95);
  expect(text()).toBe("train 95/100  left 1:00\n");
});

/** What a tall terminal shows after these bytes: carriage return, newline, save and restore, column, erase to the end of line. */
function screen(bytes: string): string[] {
  const rows: string[] = [""];
  let [row, column] = [0, 0];
  let saved: [number, number] = [0, 0];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is read here
  for (const [token, count] of bytes.matchAll(/\x1b\[\??(\d*)[A-Za-z]|\x1b[78]|[\s\S]/gu)) {
    const line = rows[row] ?? "";
    if (token === "\r") column = 0;
    else if (token === "\n") [row, column] = [row + 1, 0];
    else if (token === "\x1b7") saved = [row, column];
    else if (token === "\x1b8") [row, column] = saved;
    else if (/^.+G$/.test(token)) column = Number(count ?? 1) - 1;
    else if (/^.+K$/.test(token)) rows[row] = line.slice(0, column);
    else {
      rows[row] = line.slice(0, column) + token + line.slice(column + 1);
      column++;
    }
    rows[row] ??= "";
  }
  return rows.map((line) => line.trimEnd());
}

test("on a terminal the last bar stays, log lines stand above it and later output below", () => {
  const { stream, text } = memoryStream(true);
  let clock = 0;
  const progress = createProgress({ title: "train", total: 4, stream, now: () => clock });
  clock = 2000;
  progress.update(2, { loss: 0.5, lr: 5e-5 });
  progress.log("checkpoint-2 written");
  progress.log("checkpoint-3 written");
  progress.stop();
  stream.write("done");
  expect(screen(text())).toEqual([
    "checkpoint-2 written",
    "checkpoint-3 written",
    "train ██████████░░░░░░░░░░ 2/4  loss 0.5000  lr 5.00e-5  left 0:02",
    "done",
  ]);
});

test("a line longer than the terminal is wide is cut, so that it stays one line", () => {
  const { stream, text } = memoryStream(true);
  const progress = createProgress({ title: "x".repeat(200), total: 1, stream });
  progress.stop();
  expect(screen(text())[0]).toBe("x".repeat(99));
});
