// The engine's runtime on one thread, so that engine tests run on real graphs without workerd; and a model store on folders.

import { createNodeRuntime } from "../../src/serve/node-runtime.ts";

export { folderStore } from "../../src/serve/folder-store.ts";

export const nodeRuntime = createNodeRuntime(1);
