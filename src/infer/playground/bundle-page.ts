// How Vite bundles the page: relative addresses, so that it runs at a worker's root and in any folder of a static host; the colours and
// type of src/shared/design.ts at the head of its style sheet; the ONNX runtime as packed files, which only a visitor who runs
// the model in the browser loads.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { gzipSync } from "node:zlib";
import { build, type Plugin } from "vite";
import { DESIGN_TOKENS, SCORE_COLOURS } from "../../shared/design.ts";

/** Where the files lie that index.html names. */
export const PAGE_FOLDER = "playground";
/** The runtime's WebAssembly for processors and for GPUs, gzipped: 4 MB each in place of 14 and 17, whatever the host does. */
const WASM_FILES = {
  "ort-wasm.gz": "onnxruntime-web/ort-wasm-simd-threaded.wasm",
  "ort-jspi.gz": "onnxruntime-web/ort-wasm-simd-threaded.jspi.wasm",
};

/** Bundles `root` into `outDir`, the same whoever asks. Throws what Vite throws. */
export async function bundlePage(root: string, outDir: string): Promise<void> {
  const { NODE_ENV } = process.env;
  // a test runner's would leave a fifth more script in
  process.env.NODE_ENV = "production";
  try {
    await bundle(root, outDir);
  } finally {
    if (NODE_ENV === undefined) delete process.env.NODE_ENV;
    else process.env.NODE_ENV = NODE_ENV;
  }
}

async function bundle(root: string, outDir: string): Promise<void> {
  await build({
    root,
    configFile: false,
    envFile: false,
    base: "./",
    logLevel: "error",
    plugins: [sharedDesign(), packedRuntime()],
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    // the form of onnxruntime-web that loads its own script by address, so that its threads can, too
    resolve: { conditions: ["onnxruntime-web-use-extern-wasm", "module", "browser", "production", "import"] },
    worker: { format: "es" },
    build: {
      outDir,
      emptyOutDir: false,
      assetsDir: PAGE_FOLDER,
      target: "es2022",
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
    },
  });
}

/** Puts the shared custom properties before the page's own rules. */
function sharedDesign(): Plugin {
  return {
    name: "shared-design",
    enforce: "pre",
    transform: (code, id) =>
      id.endsWith("/look/page.css") ? `${DESIGN_TOKENS}\n${SCORE_COLOURS}\n${code}` : undefined,
  };
}

function packedRuntime(): Plugin {
  return {
    name: "packed-runtime",
    apply: "build",
    async generateBundle() {
      const { resolve } = createRequire(import.meta.url);
      for (const [name, wasm] of Object.entries(WASM_FILES)) {
        const source = gzipSync(await readFile(resolve(wasm)));
        this.emitFile({ type: "asset", fileName: `${PAGE_FOLDER}/${name}`, source });
      }
    },
  };
}
