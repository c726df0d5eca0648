// The native half of @tensorflow/tfjs-node: one file, lib/napi-v8/tfjs_binding.node, that loads TensorFlow's shared library.
// Whether it works is tried in a child process: a library that does not fit can end the process that loads it.

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { runCommand } from "./run-command.ts";

/** Folder of the installed @tensorflow/tfjs-node. Throws what Node throws when it is not installed. */
export function tfjsNodeDir(): string {
  return dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-node/package.json"));
}

/** Where tfjs-node looks for its binding: the highest Node-API version it knows (8), which every Node from 20 on offers. */
export function bindingFile(packageDir: string): string {
  return join(packageDir, "lib", "napi-v8", "tfjs_binding.node");
}

export type BindingCheck = { works: true; tensorflow: string } | { works: false; reason: string };

// The three functions of node:util that tfjs-node calls and Node 23 removed are put back first.
const PROBE = `
const util = require("node:util");
util.isNullOrUndefined ??= (value) => value === null || value === undefined;
util.isArray ??= Array.isArray;
util.isString ??= (value) => typeof value === "string";
const tf = require(process.argv[1]);
const product = Array.from(tf.matMul(tf.tensor2d([[1, 2], [3, 4]]), tf.tensor2d([[5, 6], [7, 8]])).dataSync());
if (String(product) !== "19,22,43,50") throw new Error("Error: a 2x2 product came out as " + product);
process.stdout.write("tensorflow=" + require(process.argv[2]).TF_Version + "\\n");
`;

/** Loads tfjs-node in a child process and multiplies two matrices. */
export async function checkBinding(packageDir: string, signal?: AbortSignal): Promise<BindingCheck> {
  const result = await runCommand(process.execPath, ["-e", PROBE, packageDir, bindingFile(packageDir)], {
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: "2", NODE_NO_WARNINGS: "1" },
    timeoutMs: 120_000,
    signal,
  });
  const version = /tensorflow=(\S+)/.exec(result.stdout)?.[1];
  if (result.code === 0 && version !== undefined) return { works: true, tensorflow: version };
  return { works: false, reason: result.reason };
}
