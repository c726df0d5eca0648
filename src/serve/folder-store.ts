// A model store on folders of this machine, and the folder of the pages.

import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { FileStreams, ModelStore } from "../edge/model-store.ts";

/** A store whose folders are given directories; a file that is not there is undefined. */
export function folderStore(folders: Readonly<Record<string, string>>): ModelStore & FileStreams {
  const place = (path: string): string | undefined => {
    const [folder = "", ...rest] = path.split("/");
    const dir = Object.hasOwn(folders, folder) ? folders[folder] : undefined;
    return dir === undefined || rest.includes("..") ? undefined : join(dir, ...rest);
  };
  return {
    async stream(path) {
      const file = place(path);
      const isFile =
        file !== undefined &&
        (await stat(file).then(
          (found) => found.isFile(),
          () => false,
        ));
      return isFile ? streamOf(file) : undefined;
    },
    async read(path) {
      const file = place(path);
      if (file === undefined) return undefined;
      return readFile(file).then(
        (bytes) => new Uint8Array(bytes),
        () => undefined,
      );
    },
  };
}

function streamOf(file: string): ReadableStream<Uint8Array> {
  const chunks: AsyncIterator<Uint8Array> = createReadStream(file)[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await chunks.return?.();
    },
  });
}
