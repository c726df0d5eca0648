// Result files: what a spreadsheet and an RFC 4180 parser read back is what was written.

import { parse } from "csv-parse/sync";
import { expect, test } from "vitest";
import { encodeCsv, encodeJsonl } from "../../src/infer/write-results.ts";
import type { ResultRecord } from "../../src/shared/records.ts";

const row = (text: string): ResultRecord => ({
  prompt: text,
  model_output: text,
  chosen_score: 0.75,
  rejected_score: -0.5,
  preferred: "chosen",
});

test("columns come in the order of the contract, whatever the order of the keys", () => {
  const shuffled = {
    preferred: "rejected" as const,
    rejected_score: 1,
    prompt: "a",
    chosen_score: 0.25,
    model_output: "b",
  };
  expect(encodeCsv([shuffled])).toBe(
    "prompt,model_output,chosen_score,rejected_score,preferred\r\na,b,0.25,1,rejected\r\n",
  );
  expect(encodeJsonl([shuffled])).toBe(
    '{"prompt":"a","model_output":"b","chosen_score":0.25,"rejected_score":1,"preferred":"rejected"}\n',
  );
});

test("commas, quotes, line breaks of every kind and other scripts survive the CSV", () => {
  const texts = ["a,b", 'say "no"', "one\ntwo", "one\r\ntwo", "one\rtwo", "", " edges ", "žluťoučký 数学 🙂", '",\n"'];
  const csv = encodeCsv(texts.map(row));
  const rows: string[][] = parse(csv, { from: 2 });
  expect(rows.map(([prompt]) => prompt)).toEqual(texts);
  expect(rows.map(([, output]) => output)).toEqual(texts);
  expect(csv).toContain('"one\ntwo"');
  expect(csv).toContain('"say ""no"""');
});

test("a text that a spreadsheet would run as a formula gets an apostrophe in the CSV and none in the JSONL; numbers keep their sign", () => {
  const csv = encodeCsv(["=1+2", "+1", "-1", "@cell"].map(row));
  expect(csv.split("\r\n").slice(1, 5)).toEqual([
    "'=1+2,'=1+2,0.75,-0.5,chosen",
    "'+1,'+1,0.75,-0.5,chosen",
    "'-1,'-1,0.75,-0.5,chosen",
    "'@cell,'@cell,0.75,-0.5,chosen",
  ]);
  expect(JSON.parse(encodeJsonl([row("=1+2")])).prompt).toBe("=1+2");
});
