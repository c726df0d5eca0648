// What one record says, whatever its format: the one parse that the views of training, reward training and evaluation are made from.

import type { LabelledPair } from "../labelled-pair.ts";
import type { StepLabel } from "../labelled-solution.ts";
import type { ChatTemplate } from "./chat-template.ts";
import type { Prm800kRecord } from "./prm800k-record.ts";

export type Fields = Record<string, unknown>;

/** One sampled solution of a rollout. */
export interface SampledSolution {
  completion: string;
  /** By the symbolic checker. */
  stepLabels?: StepLabel[] | undefined;
  /** By Monte Carlo continuations. */
  softLabels?: StepLabel[] | undefined;
}

export type Parsed =
  /** A preference pair, texts as they are; `scored` is where its given scores stand. */
  | { kind: "pair"; pair: LabelledPair; scored: Fields; gold?: string | undefined; answer?: string | undefined }
  /** One solution: texts of one or more lines, a label each; `wholeTexts`: a text counts as one step whatever its lines. */
  | { kind: "solution"; prompt: string; texts: string[]; labels: StepLabel[]; wholeTexts?: boolean }
  /** One solution, judged as a whole. */
  | { kind: "judged"; prompt: string; completion: string; isGood: boolean }
  | { kind: "prm800k"; record: Prm800kRecord }
  | {
      kind: "rollout";
      prompt: string;
      gold?: string | undefined;
      answer?: string | undefined;
      samples: SampledSolution[];
    }
  /** Only a problem, with what is known of its solution. */
  | { kind: "problem"; prompt: string; gold?: string | undefined; answer?: string | undefined };

export interface ParseOptions {
  /** How messages before the last answer become one prompt. */
  chatTemplate: ChatTemplate;
}

/** A format of records. */
export interface Format {
  /** What counts are kept by, and what --format names. */
  name: string;
  /** Whether a record has this format's fields. */
  matches(record: Fields): boolean;
  /** Throws InputError with the reason as its code. */
  parse(record: Fields, options: ParseOptions): Parsed;
}
