// Rung 2, second half: tfjs-node's binding compiled with g++ against TensorFlow's shared libraries.
// Node-API is stable, so one build serves every Node from 20 on.

import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { StepwiseError } from "../../../shared/errors.ts";
import { TENSORFLOW_LIBRARIES } from "./pip-tensorflow.ts";
import { runCommand } from "./run-command.ts";

/** Folders that may hold node_api.h, best first: the npm package node-api-headers, this Node's own, the system's. */
export function nodeHeaderFolders(packageDir: string): string[] {
  return [
    join(packageDir, "../../node-api-headers/include"),
    join(dirname(process.execPath), "../include/node"),
    "/usr/local/include/node",
    "/usr/include/node",
    "/usr/include/nodejs/src",
  ];
}

/**
 * Compiles `packageDir/binding/*.cc` to `output`. `tensorflowDir` holds libraries and include/; `libraryDir` is where the
 * libraries will be found at run time. Throws StepwiseError when a tool or header is missing or the compiler fails.
 */
export async function buildBinding(options: {
  packageDir: string;
  tensorflowDir: string;
  libraryDir: string;
  output: string;
  signal?: AbortSignal | undefined;
}): Promise<void> {
  const { packageDir, tensorflowDir, libraryDir, output, signal } = options;
  const headers = nodeHeaderFolders(packageDir).find((folder) => existsSync(join(folder, "node_api.h")));
  if (headers === undefined) {
    throw new StepwiseError({
      code: "no_node_headers",
      what: "node_api.h was not found",
      fix: "Install node-api-headers or libnode-dev.",
    });
  }
  const source = join(packageDir, "binding");
  const files = (await readdir(source)).filter((name) => name.endsWith(".cc")).map((name) => join(source, name));
  const result = await runCommand(
    "g++",
    [
      ...["-O2", "-std=c++17", "-fPIC", "-shared", "-DNAPI_VERSION=8", "-DBUILDING_NODE_EXTENSION"],
      ...[`-I${headers}`, `-I${join(tensorflowDir, "include")}`, `-I${dirname(packageDir)}`],
      ...files,
      ...[`-L${tensorflowDir}`, ...TENSORFLOW_LIBRARIES.map((library) => `-l:${library}`), `-Wl,-rpath,${libraryDir}`],
      ...["-o", output],
    ],
    { timeoutMs: 5 * 60_000, signal },
  );
  if (result.code !== 0) {
    throw new StepwiseError({ code: "compile_failed", what: `the binding could not be compiled: ${result.reason}` });
  }
}
