// The scale of scores as Chromium paints it, in the report and on the playground: text stands out everywhere on it, and who sees fewer
// colours tells right from wrong.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { DESIGN_TOKENS, SCORE_COLOURS, scoreLook } from "../../src/shared/design.ts";
import { noBrowser, startBrowser } from "./chromium.ts";

const SCORES = Array.from({ length: 21 }, (_, at) => at / 20);
type Rgb = readonly [number, number, number];
const painted = z.array(
  z.object({
    paper: z.tuple([z.number(), z.number(), z.number()]),
    ink: z.tuple([z.number(), z.number(), z.number()]),
  }),
);

/** In the page: the colours of each mark as a canvas paints them, whatever form CSS gives them in. */
const READ = `(() => {
  const pen = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
  const rgb = (colour) => {
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  return [...document.querySelectorAll("span")].map((mark) => {
    const { backgroundColor, color } = getComputedStyle(mark);
    return { paper: rgb(backgroundColor), ink: rgb(color) };
  });
})()`;

/** sRGB bytes to linear light. */
const linear = (rgb: Rgb): number[] =>
  rgb.map((byte) => byte / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
const times = (matrix: readonly (readonly number[])[], vector: readonly number[]): number[] =>
  matrix.map((row) => row.reduce((sum, value, at) => sum + value * (vector[at] ?? 0), 0));

/** WCAG 2.2. */
function contrast(one: Rgb, other: Rgb): number {
  const [dark = 0, light = 0] = [one, other]
    .map((rgb) => times([[0.2126, 0.7152, 0.0722]], linear(rgb))[0] ?? 0)
    .sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

/** Machado, Oliveira and Fernandes 2009, severity 1, on linear light: what is left of a colour. */
const SIGHT = {
  full: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};
const TO_XYZ = [
  [0.4124, 0.3576, 0.1805],
  [0.2126, 0.7152, 0.0722],
  [0.0193, 0.1192, 0.9505],
];
const WHITE = [0.9505, 1, 1.089];

/** CIE 1976 L*a*b* of linear light. */
function lab(light: readonly number[]): number[] {
  const [x = 0, y = 0, z = 0] = times(
    TO_XYZ,
    light.map((part) => Math.min(1, Math.max(0, part))),
  )
    .map((value, at) => value / (WHITE[at] ?? 1))
    .map((value) => (value > 216 / 24389 ? Math.cbrt(value) : (24389 / 27) * (value / 116) + 16 / 116));
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** How far two colours are apart, 2.3 being just to be seen. */
function difference(one: Rgb, other: Rgb, sight: readonly (readonly number[])[]): number {
  const [a, b] = [one, other].map((rgb) => lab(times(sight, linear(rgb))));
  return Math.hypot(...(a ?? []).map((value, at) => value - (b?.[at] ?? 0)));
}

describe.skipIf(noBrowser).each(["light", "dark"] as const)("the scale of scores, %s", (colorScheme) => {
  let browser: Browser;
  let marks: z.infer<typeof painted>;

  beforeAll(async () => {
    browser = await startBrowser();
    const page = await (await browser.newContext({ colorScheme })).newPage();
    const spans = SCORES.map((score) => {
      const { tone, style } = scoreLook(score);
      return `<span class="${tone}" style="${style}">${score}</span>`;
    });
    await page.setContent(`<style>${DESIGN_TOKENS}${SCORE_COLOURS}body{color:var(--ink)}</style>${spans.join("")}`);
    marks = painted.parse(await page.evaluate(READ));
  });
  afterAll(() => browser?.close());

  test("the figure stands out from every shade of it: 4.5 to 1", () => {
    expect(marks).toHaveLength(SCORES.length);
    const low = marks.map(({ paper, ink }) => contrast(paper, ink)).filter((value) => value < 4.5);
    expect(low).toEqual([]);
  });

  test.each(Object.entries(SIGHT))("right, undecided and wrong are three colours: %s", (_, sight) => {
    const [wrong, undecided, right] = [0, 10, 20].map((at) => marks[at]?.paper ?? ([0, 0, 0] as const));
    if (wrong === undefined || undecided === undefined || right === undefined) throw new Error("no marks");
    expect(difference(wrong, right, sight)).toBeGreaterThan(20);
    expect(difference(wrong, undecided, sight)).toBeGreaterThan(10);
    expect(difference(right, undecided, sight)).toBeGreaterThan(10);
  });
});
