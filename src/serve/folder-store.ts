// A model store on folders of this machine, and the folder of the pages.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ModelStore } from "../edge/model-store.ts";

/** A store whose folders are given directories; a file that is not there is undefined. */
export function folderStore(folders: Readonly<Record<string, string>>): ModelStore {
  return {
    async read(path) {
      const [folder = "", ...rest] = path.split("/");
      const dir = Object.hasOwn(folders, folder) ? folders[folder] : undefined;
      if (dir === undefined || rest.includes("..")) return undefined;
      return readFile(join(dir, ...rest)).then(
        (bytes) => new Uint8Array(bytes),
        () => undefined,
      );
    },
  };
}
