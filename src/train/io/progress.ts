// A progress bar for the long parts: what runs, how far it is, the latest figures, the time left.
// On a terminal it is one line redrawn by cli-progress; in a pipe or a log file it is a plain line every few seconds.

import cliProgress from "cli-progress";

/** Figures shown beside the bar, by name, in the order given (`loss`, `margin`, ...). */
export type ProgressFigures = Readonly<Record<string, number | string>>;

export interface Progress {
  /** Units done so far (not the increment); `figures` replaces the ones shown. */
  update(done: number, figures?: ProgressFigures): void;
  /** Prints a line of its own above the bar. */
  log(line: string): void;
  /** Draws the last state and ends the bar; later calls do nothing. */
  stop(): void;
}

export interface ProgressOptions {
  title: string;
  total: number;
  /** Units done before this process, e.g. the resumed step; they do not count for the time left. Default 0. */
  initial?: number;
  /** Default stderr, so that standard output stays clean. */
  stream?: NodeJS.WriteStream;
  /** Clock in milliseconds. Default Date.now. */
  now?: () => number;
}

/** Smallest time between plain lines, without a terminal. */
const PLAIN_INTERVAL_MS = 5000;

/** `1:02:03`, `2:03`, or `?` when not known. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return "?";
  const seconds = Math.max(0, Math.round(ms / 1000));
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const tail = String(seconds % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** Milliseconds left at the average pace so far; NaN before the first unit. */
export function timeLeftMs(doneHere: number, left: number, elapsedMs: number): number {
  return doneHere > 0 ? (elapsedMs / doneHere) * left : Number.NaN;
}

function formatFigure(value: number | string): string {
  if (typeof value === "string" || Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 1e6) ? value.toExponential(2) : value.toFixed(4);
}

/** A progress display; the caller stops it, in a `finally`. */
export function createProgress(options: ProgressOptions): Progress {
  const { title, total, initial = 0, stream = process.stderr, now = Date.now } = options;
  const startMs = now();
  let done = initial;
  let figures: ProgressFigures = {};
  let stopped = false;

  const line = (bar: string): string => {
    const elapsed = now() - startMs;
    const left = timeLeftMs(done - initial, total - done, elapsed);
    const shown = Object.entries(figures).map(([name, value]) => `${name} ${formatFigure(value)}`);
    const time = done >= total ? `took ${formatDuration(elapsed)}` : `left ${formatDuration(left)}`;
    return [`${title}${bar} ${done}/${total}`, ...shown, time].join("  ");
  };
  if (!stream.isTTY) return plainProgress();

  const bar = new cliProgress.SingleBar({
    stream,
    format: (barOptions, params) =>
      line(` ${cliProgress.Format.BarFormat(params.progress, barOptions)}`).slice(0, (stream.columns || 120) - 1),
    barsize: 20,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    fps: 5,
    // the line is cut to the terminal's width above; so no setting of the terminal is changed, and none needs restoring on Ctrl-C,
    // which the bar's own handler would swallow
    linewrap: true,
    gracefulExit: false,
    forceRedraw: true,
  });
  bar.start(total, initial);
  return {
    update(value, shown) {
      done = value;
      if (shown !== undefined) figures = shown;
      bar.update(value);
    },
    log(text) {
      stream.write(stopped ? `${text}\n` : `\r\x1b[K${text}\n`);
      if (!stopped) bar.render();
    },
    stop() {
      if (stopped) return;
      stopped = true;
      // the bar goes back to the cursor saved at its start before it ends its line: by now log lines may have moved it down
      stream.write("\r\x1b7");
      bar.stop();
    },
  };

  function plainProgress(): Progress {
    let printedMs = Number.NEGATIVE_INFINITY;
    let printedDone = -1;
    const print = (): void => {
      printedMs = now();
      printedDone = done;
      stream.write(`${line("")}\n`);
    };
    return {
      update(value, shown) {
        done = value;
        if (shown !== undefined) figures = shown;
        if (!stopped && now() - printedMs >= PLAIN_INTERVAL_MS) print();
      },
      log: (text) => void stream.write(`${text}\n`),
      stop() {
        if (!stopped && printedDone !== done) print();
        stopped = true;
      },
    };
  }
}
