// resolveModel with a progress bar and a line for each failed try, for commands: nothing is shown for a local folder or a model that
// is in the cache.

import { createProgress, type Progress } from "../../io/progress.ts";
import { type ResolveOptions, resolveModel } from "./resolve-model.ts";

const MEGABYTE = 1e6;

/** As resolveModel; shows megabytes on stderr while it downloads, and why it waits. */
export async function resolveModelWithProgress(
  idOrDir: string,
  options: Omit<ResolveOptions, "onProgress"> = {},
): Promise<string> {
  let bar: Progress | undefined;
  let shownBytes = 0;
  let barTotal = 0;
  try {
    return await resolveModel(idOrDir, {
      onRetry: (line) => (bar === undefined ? console.error(line) : bar.log(line)),
      ...options,
      onProgress: ({ file, receivedBytes, totalBytes }) => {
        if (totalBytes !== barTotal) {
          bar?.stop();
          const [initial, total] = [Math.floor(shownBytes / MEGABYTE), Math.ceil(totalBytes / MEGABYTE)];
          bar = createProgress({ title: `download ${idOrDir} (MB)`, initial, total });
          barTotal = totalBytes;
        }
        shownBytes = receivedBytes;
        const done =
          receivedBytes === totalBytes ? Math.ceil(totalBytes / MEGABYTE) : Math.floor(receivedBytes / MEGABYTE);
        bar?.update(done, { file });
      },
    });
  } finally {
    bar?.stop();
  }
}
