// The flags of the commands that put a model and its reward model somewhere: which, in which weights, on which port.

import { type Command, Option } from "commander";
import { DTYPES, type Dtype } from "../src/shared/onnx-names.ts";
import { wholeNumber } from "./flags.ts";

export interface ModelFlags {
  policy?: string;
  reward?: string;
  dtype: Dtype;
}

/** Adds the flags of `ModelFlags`. */
export function addModelFlags(command: Command): Command {
  return command
    .option("--policy <dir>", "model that generates (default: the trained model, else the one that ships)")
    .option("--reward <dir>", "model that scores (default: the one that the policy was trained with)")
    .addOption(dtypeOption());
}

export function dtypeOption(): Option {
  return new Option("--dtype <type>", "weight type of the graphs").choices(DTYPES).default("int8");
}

export function portOption(what = "port on 127.0.0.1"): Option {
  return new Option("--port <number>", what).argParser(wholeNumber(1, 65_535)).default(8787);
}
