// How data of other shapes are read: flags of the commands that convert or use them.

import { type Command, Option } from "commander";
import { CHAT_TEMPLATES } from "../src/train/data/formats/chat-template.ts";
import { FORMAT_NAMES, readOptions } from "../src/train/data/formats/read-record.ts";
import type { PairOptions } from "../src/train/data/pairs/read-pairs.ts";

export interface DataFlags {
  format?: string;
  columns?: string;
  chatTemplate?: string;
  split?: string;
}

/** Adds --format, --columns, --chat-template and --split. */
export function addDataFlags(command: Command): Command {
  return command
    .addOption(new Option("--format <name>", "read every record as this one").choices(FORMAT_NAMES))
    .option("--columns <map>", "usual names of other columns: prompt=question,chosen=good,rejected=bad")
    .addOption(
      new Option(
        "--chat-template <name>",
        "how messages before the answers become one prompt (default: plain)",
      ).choices(CHAT_TEMPLATES),
    )
    .option("--split <name>", "which list of a JSON file with one for each split (default: train)");
}

/** The flags as options of reading. Throws InputError for a map that is none. */
export function dataOptions({ split, ...flags }: DataFlags): PairOptions {
  return { ...readOptions(flags), ...(split !== undefined && { split }) };
}
