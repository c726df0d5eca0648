// Flags that many commands have, and numbers on the command line: refused with the range they must lie in.

import { InvalidArgumentError, Option } from "commander";
import { BACKENDS, PRECISIONS } from "../src/train/tensorflow/backends.ts";

/** A commander parser for a whole number in [min, max]. */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^-?\d+$/.test(text) && value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(`Give a whole number ${range}.`);
  };
}

/** A commander parser for a number in [min, maxExclusive). */
export function fraction(min: number, maxExclusive: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && value >= min && value < maxExclusive) return value;
    throw new InvalidArgumentError(`Give a number from ${min} to below ${maxExclusive}.`);
  };
}

export function backendOption(what = "what computes"): Option {
  return new Option("--backend <name>", what).choices(BACKENDS).default("auto");
}

export function precisionOption(): Option {
  return new Option("--precision <name>", "of matrix products").choices(PRECISIONS).default("float32");
}
