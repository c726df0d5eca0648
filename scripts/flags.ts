// Flags that many commands have, and numbers on the command line: refused with the range they must lie in.

import { type Command, InvalidArgumentError, Option } from "commander";
import { settingName } from "../src/train/recipes/run/settings.ts";
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

/** The options that the command line names; those that have only their default are left out, and so are those of `except`. */
export function givenOptions<T extends object>(command: Command, except: readonly string[] = []): Partial<T> {
  const given: Partial<T> = command.opts<T>();
  for (const name in given)
    if (command.getOptionValueSource(name) === "default" || except.includes(name)) delete given[name];
  return given;
}

/** What the command line says, over the words of the one that began the run which goes on, over the defaults. */
export function optionsOver<T extends object>(command: Command, words: readonly string[]): T {
  const given = givenOptions<T>(command);
  command.parse(words, { from: "user" });
  return { ...command.opts<T>(), ...given };
}

/** Settings of a run, as its file has them, as words of a command line: those that the command has an option for. */
export function wordsOf(command: Command, saved: Readonly<Record<string, unknown>>): string[] {
  return command.options.flatMap((option) => {
    const value = saved[settingName(option.attributeName())];
    return typeof value === "string" || typeof value === "number" ? [`${option.long}=${value}`] : [];
  });
}
