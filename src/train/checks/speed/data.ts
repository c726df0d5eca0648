// prepare-data on a large file: records a second, and the most memory that it took. The file is made by another process, so that making it
// counts for neither.

import { spawnSync } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRng } from "../../../shared/rng.ts";
import { prepareData } from "../../data/pairs/prepare.ts";
import { LineFile } from "../../io/line-file.ts";

/** Conversations in two kinds of file, and solutions, a row each, that have to find their partners. */
const DATA_KINDS = ["jsonl", "parquet", "stepwise"] as const;
export type DataKind = (typeof DATA_KINDS)[number];

export interface DataBenchOptions {
  kind: DataKind;
  /** Size of the file, in units of 10^6 bytes; a Parquet file's within a row group. */
  megabytes: number;
  /** Folder for the file and for what it becomes; a temporary one, removed afterwards, by default. */
  folder?: string | undefined;
}

export interface DataBench {
  bench: "data";
  kind: DataKind;
  input_mb: number;
  records: number;
  pairs: number;
  seconds: number;
  records_per_second: number;
  peak_rss_mb: number;
}

/** Makes the file with `writeDataFile` in a process of its own, and converts it here. */
export async function benchData(options: DataBenchOptions & { script: string }): Promise<DataBench> {
  const { kind, megabytes, script } = options;
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "bench-data-")));
  try {
    const input = join(folder, `large.${kind === "parquet" ? kind : "jsonl"}`);
    const command = [...process.execArgv, script, "data", "--kind", kind, "--megabytes", String(megabytes)];
    const made = spawnSync(process.execPath, [...command, "--write", input], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    if (made.status !== 0) throw new Error(`the file could not be made (${made.status})`);
    const started = performance.now();
    const report = await prepareData({ input, output: join(folder, "prepared"), evalFraction: 0.1, seed: 42 });
    const seconds = (performance.now() - started) / 1000;
    return {
      bench: "data",
      kind,
      input_mb: Math.round((await stat(input)).size / 1e6),
      records: report.records_read,
      pairs: report.pairs_read,
      seconds: Math.round(seconds * 10) / 10,
      records_per_second: Math.round(report.records_read / seconds),
      peak_rss_mb: Math.round((process.resourceUsage().maxRSS * 1024) / 1e6),
    };
  } finally {
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
  }
}

const WORDS = "apples and boxes buy each farm has hens hold how many more pens sells then Tom trains were with".split(
  " ",
);

/** Pairs of about 1 kB with prompts of their own, as UltraFeedback has them. */
function* makePairs(): Generator<{ prompt: string; chosen: object[]; rejected: object[] }> {
  const rng = createRng(1);
  const text = (words: number): string =>
    Array.from({ length: words }, () => WORDS[rng.int(0, WORDS.length)] ?? rng.int(0, 1000)).join(" ");
  for (let i = 0; ; i++) {
    const prompt = `${i}: ${text(40)}`;
    const side = (): object[] => [
      { role: "user", content: prompt },
      { role: "assistant", content: `${text(20)}\n${rng.int(0, 1e9)} ${text(20)}` },
    ];
    yield { prompt, chosen: side(), rejected: side() };
  }
}

/** Prompts whose right solutions come before all of their wrong ones. */
const PROMPTS_APART = 10_000;

/** TRL's stepwise rows of about 1 kB: of each prompt two right and two wrong ones, far from each other. */
function* makeRows(): Generator<{ prompt: string; completions: string[]; labels: boolean[] }> {
  const rng = createRng(1);
  const text = (words: number): string =>
    Array.from({ length: words }, () => WORDS[rng.int(0, WORDS.length)] ?? rng.int(0, 1000)).join(" ");
  for (let block = 0; ; block++) {
    const prompts = Array.from({ length: PROMPTS_APART }, (_, i) => `${block * PROMPTS_APART + i}: ${text(40)}`);
    for (const isRight of [true, true, false, false]) {
      for (const prompt of prompts) {
        const completions = Array.from({ length: 6 }, () => `${text(20)} ${rng.int(0, 1e9)}`);
        yield { prompt, completions, labels: completions.map((_, at) => isRight || at < 3) };
      }
    }
  }
}

/** Writes a file of at least so many bytes. */
export async function writeDataFile(path: string, kind: DataKind, megabytes: number): Promise<void> {
  if (kind !== "parquet") {
    const file = await LineFile.create(path);
    let bytes = 0;
    for (const record of kind === "jsonl" ? makePairs() : makeRows()) {
      const line = `${JSON.stringify(record)}\n`;
      await file.write(line);
      bytes += line.length;
      if (bytes >= megabytes * 1e6) break;
    }
    return file.finish();
  }
  const { fileWriter, ParquetWriter } = await import("hyparquet-writer");
  const messages = (name: string): object[] => [
    { name, converted_type: "LIST", repetition_type: "OPTIONAL", num_children: 1 },
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    { name: "element", repetition_type: "OPTIONAL", num_children: 2 },
    { name: "content", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
    { name: "role", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
  ];
  const schema = [
    { name: "root", num_children: 3 },
    { name: "prompt", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
    ...messages("chosen"),
    ...messages("rejected"),
  ] as ConstructorParameters<typeof ParquetWriter>[0]["schema"]; // the schema's own literals, spread
  const writer = fileWriter(path);
  const parquet = new ParquetWriter({ writer, schema });
  const rows: { prompt: string; chosen: object[]; rejected: object[] }[] = [];
  for (const pair of makePairs()) {
    rows.push(pair);
    if (rows.length < GROUP_ROWS) continue;
    const columnData = (["prompt", "chosen", "rejected"] as const).map((name) => ({
      name,
      data: rows.map((row) => row[name]),
    }));
    parquet.write({ columnData, rowGroupSize: GROUP_ROWS });
    rows.length = 0;
    if (writer.offset >= megabytes * 1e6) break;
  }
  await parquet.finish();
}

/** Rows of a group as the Hub's own conversion writes them. */
const GROUP_ROWS = 1000;
