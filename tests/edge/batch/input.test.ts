// An input file as it streams in: the same whatever the pieces, and every id that occurs twice is found.

import fc from "fast-check";
import { expect, test } from "vitest";
import { findDuplicates } from "../../../src/edge/batch/find-duplicates.ts";
import { createInputCheck } from "../../../src/edge/batch/input-check.ts";
import { createLineSplitter } from "../../../src/edge/batch/line-splitter.ts";
import { planShards } from "../../../src/edge/batch/plan-shards.ts";
import { memoryBucket } from "./memory-bucket.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** The text in pieces that end at these places. */
function pieces(text: string, cuts: readonly number[]): Uint8Array[] {
  const bytes = encode(text);
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.slice(ends[index - 1] ?? 0, end));
}

test("lines are those of split, whatever the pieces; one over the limit is told without its text", () => {
  const line = fc.string({ unit: "grapheme", maxLength: 12 }).map((text) => text.replaceAll("\n", ""));
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat()), fc.boolean(), (texts, cuts, endsInNewline) => {
      const text = texts.join("\n") + (endsInNewline ? "\n" : "");
      const got: (string | undefined)[] = [];
      const splitter = createLineSplitter(10, ({ bytes }) => {
        got.push(bytes === undefined ? undefined : new TextDecoder().decode(bytes));
      });
      for (const piece of pieces(text, cuts)) splitter.write(piece);
      splitter.end();
      const whole = text.split("\n");
      if (whole.at(-1) === "") whole.pop();
      expect(got).toEqual(whole.map((one) => (encode(one).length > 10 ? undefined : one)));
    }),
  );
});

test("shards cover all records in order, and start where a record does", () => {
  const size = fc.integer({ min: 1, max: 40_000 });
  fc.assert(
    fc.property(fc.array(size, { minLength: 1, maxLength: 120 }), (sizes) => {
      const lines = sizes.map((bytes, index) => {
        const body = { prompt: "a".repeat(bytes), max_tokens: 2_000 };
        return `${JSON.stringify({ custom_id: `${index}`, method: "POST", url: "/v1/completions", body })}\n`;
      });
      const check = createInputCheck(2 ** 20);
      const starts = new Map<number, number>();
      let at = 0;
      lines.forEach((line, index) => {
        starts.set(index, at);
        at += line.length;
        check.write(encode(line));
      });
      const input = check.end();
      const shards = planShards(input, at);
      expect(input.records).toBe(lines.length);
      expect(shards[0]?.first).toBe(0);
      expect(shards.at(-1)).toMatchObject({ last: lines.length, to: at });
      shards.forEach(({ first, from, last, to }, index) => {
        expect(from).toBe(starts.get(first));
        const next = shards[index + 1];
        if (next !== undefined) expect([next.first, next.from]).toEqual([last, to]);
      });
    }),
    { numRuns: 30 },
  );
});

test("ids that occur twice are found, and no others", async () => {
  const ids = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 200 });
  await fc.assert(
    fc.asyncProperty(ids, async (numbers) => {
      const line = (id: number) =>
        `${JSON.stringify({ custom_id: `id-${id}`, method: "POST", url: "/generate", body: { prompt: "a" } })}\n`;
      const bytes = encode(numbers.map(line).join(""));
      const check = createInputCheck(1_000);
      check.write(bytes);
      const input = check.end();
      const bucket = memoryBucket();
      await bucket.put("input", bytes);
      const found = await findDuplicates(bucket, "input", input, 1_000);
      const seen = new Set<number>();
      const expected = numbers.flatMap((number, index) => {
        if (seen.has(number)) return [index + 1];
        seen.add(number);
        return [];
      });
      expect(found.map(({ line: at }) => at)).toEqual(expected.slice(0, 100));
    }),
  );
});
