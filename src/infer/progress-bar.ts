// How far a batch is: a bar with the time left on a terminal, a line every tenth of the way elsewhere (logs, CI).

import cliProgress from "cli-progress";
import type { BatchProgress } from "./run-batch.ts";

/** Shows each progress report; `stop` leaves the bar as it stands and gives the terminal back. */
export interface ProgressBar {
  update(progress: BatchProgress): void;
  stop(): void;
}

export function createProgressBar(stream: NodeJS.WriteStream = process.stderr): ProgressBar {
  return stream.isTTY ? createBar(stream) : createLines(stream);
}

function createBar(stream: NodeJS.WriteStream): ProgressBar {
  const bar = new cliProgress.SingleBar({
    stream,
    format: "inference {bar} {value}/{total} | failed {failed} | {eta_formatted} left",
    barCompleteChar: "█",
    barIncompleteChar: "░",
    hideCursor: null,
    // its handler would swallow Ctrl-C; nothing needs restoring here
    gracefulExit: false,
    etaBuffer: 50,
  });
  let started = false;
  return {
    update({ done, failed, total }) {
      if (started) bar.update(done, { failed });
      else bar.start(total, done, { failed });
      started = true;
    },
    stop() {
      if (started) bar.stop();
    },
  };
}

function createLines(stream: NodeJS.WriteStream): ProgressBar {
  const startedMs = Date.now();
  let first: number | undefined;
  let shownTenth = -1;
  return {
    update({ done, failed, total }) {
      first ??= done;
      const tenth = Math.floor((10 * done) / total);
      if (tenth === shownTenth) return;
      shownTenth = tenth;
      const perRecord = (Date.now() - startedMs) / Math.max(1, done - first);
      const left =
        done === first || done === total ? "" : `, about ${Math.ceil((perRecord * (total - done)) / 1000)} s left`;
      stream.write(`inference ${done}/${total}, failed ${failed}${left}\n`);
    },
    stop() {},
  };
}
