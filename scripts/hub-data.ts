// Data by a name of the Hub: fetched, with a bar, and told to the commands as files; for training, converted to pairs.

import { createProgress, type Progress } from "../src/train/io/progress.ts";
import { parseDatasetId } from "../src/train/store/hub/dataset-id.ts";
import { resolveDataset } from "../src/train/store/hub/resolve-dataset.ts";

/** Files of the data set that `input` names; undefined where it is no such name but a file or folder here. */
export async function hubDataFiles(input: string, maxRecords?: number): Promise<string[] | undefined> {
  const asked = parseDatasetId(input);
  if (asked === undefined) return undefined;
  let bar: Progress | undefined;
  try {
    return await resolveDataset(asked, {
      maxRecords,
      log: (line) => console.error(line),
      onRetry: (line) => console.error(line),
      onProgress: ({ file, receivedBytes, totalBytes }) => {
        bar ??= createProgress({ title: `download ${input} (MB)`, total: Math.ceil(totalBytes / 1e6) });
        bar.update(Math.floor(receivedBytes / 1e6), { file });
      },
    });
  } finally {
    bar?.stop();
  }
}
