// What the documents refer to is there: links and their headings, files, commands and flags.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { TRAIN_DEFAULTS } from "../../src/train/recipes/dpo/config.ts";
import { ONLINE_KEYS } from "../../src/train/recipes/online/settings.ts";
import { flagOf } from "../../src/train/recipes/run/settings.ts";

const root = join(import.meta.dirname, "../..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");
const filesIn = (folder: string, recursive = true): string[] =>
  readdirSync(join(root, folder), { recursive, encoding: "utf8" }).map((name) => join(folder, name));
const documents = [...filesIn("", false), ...filesIn("docs"), ...filesIn("data/models")].filter((file) =>
  file.endsWith(".md"),
);

/** As GitHub names a heading. */
const slug = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(/\s/g, "-");
const headings = (file: string): string[] =>
  [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => slug(heading));

test.each(documents)("links in %s lead to files and headings that are there", (document) => {
  const links = [...read(document).matchAll(/(?:\]\(|src=")([^)\s"]+)[)"]/g)].map(([, link = ""]) => link);
  const broken = links.filter((link) => {
    if (/^(https?|mailto):/.test(link)) return false;
    const [path = "", anchor] = link.split("#");
    const file = path === "" ? document : join(dirname(document), path);
    if (!existsSync(join(root, file))) return true;
    return anchor !== undefined && file.endsWith(".md") && !headings(file).includes(anchor);
  });
  expect(broken).toEqual([]);
});

test.each(documents)("files of the repository that %s names are there", (document) => {
  const named = [...read(document).matchAll(/`((?:src|tests|scripts|data)\/[\w./-]+)`/g)].map(([, path = ""]) => path);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

const scripts: Record<string, unknown> = JSON.parse(read("package.json")).scripts;
test.each(documents)("commands in %s are in package.json", (document) => {
  const named = [...read(document).matchAll(/npm run ([a-z][\w:-]*)/g)].map(([, name = ""]) => name);
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});

/** What a script's own text declares, and the settings whose flags are made of their names. */
const flags = new Set([
  // those of a peer's program that is measured beside ours stand where it is started
  ...[...filesIn("scripts"), ...filesIn("src/train/checks/speed")]
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => [...read(file).matchAll(/--[a-z][a-z0-9-]*/g)].map(([flag]) => flag)),
  ...[...Object.keys(TRAIN_DEFAULTS), ...ONLINE_KEYS].map(flagOf),
  "--help",
]);
test.each(documents)("flags of this project's commands in %s exist", (document) => {
  const text = read(document);
  const inCode = [...text.matchAll(/`(--[^`]*)`/g)].map(([, code = ""]) => code);
  const inCommands = [...text.matchAll(/npm run [a-z][\w:-]* -- ([^\n`#|]*)/g)].map(([, words = ""]) => words);
  const named = [...inCode, ...inCommands].flatMap((words) =>
    [...words.matchAll(/(?<![\w-])--[a-z][a-z0-9-]*/g)].map(([flag]) => flag),
  );
  expect([...new Set(named)].filter((flag) => !flags.has(flag) && !flags.has(flag.replace("--no-", "--")))).toEqual([]);
});
