// The view of evaluation: what a record says of its problem. Formats and fields: docs/evaluation.md.

import { finalAnswer, normaliseAnswer } from "../../../shared/final-answer.ts";
import { onOneLine } from "../../../shared/steps.ts";
import { labelsOf } from "../arithmetic/checker.ts";
import { badRecord } from "../bad-record.ts";
import type { Parsed } from "../formats/parsed.ts";
import { prm800kPairs } from "../formats/prm800k.ts";
import { cleanPair, type LabelledPair } from "../labelled-pair.ts";
import { isRight, joinSteps, type LabelledSteps, type StepLabel, shareLabels } from "../labelled-solution.ts";
import type { RecordPart } from "./items.ts";

/** Throws InputError with the reason as its code; `what` names the field. */
export function partsOfRecord(parsed: Parsed): RecordPart[] {
  switch (parsed.kind) {
    case "pair":
      return [pairPart(parsed)];
    case "solution":
      return [solutionPart(parsed)];
    case "prm800k": {
      const known = knownSolution(undefined, parsed.record.question.ground_truth_answer ?? undefined);
      return prm800kPairs(parsed.record).map((raw) => {
        const pair = cleanPair(raw);
        return { prompt: pair.prompt, pairs: [pair], labelled: labelledSides(pair), ...known };
      });
    }
    case "rollout":
      return [rolloutPart(parsed)];
    case "problem":
      return [{ prompt: promptOf(parsed.prompt), ...knownSolution(parsed.gold, parsed.answer) }];
    case "judged":
      throw badRecord("unknown_format", "a completion judged as a whole says nothing that can be evaluated");
  }
}

function promptOf(text: string): string {
  const prompt = text.replace(/\r\n?/g, "\n").trim();
  if (prompt === "") throw badRecord("empty_prompt", "the prompt is empty");
  return prompt;
}

/** The text as gold when the symbolic checker can read it as a right solution. */
function checkable(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    labelsOf(text, "");
    return text;
  } catch {
    return undefined;
  }
}

function knownSolution(gold: string | undefined, answer: string | undefined): Partial<RecordPart> {
  const stated = gold === undefined ? undefined : finalAnswer(gold);
  return {
    gold: checkable(gold),
    answer: answer === undefined ? stated : (finalAnswer(answer) ?? normaliseAnswer(answer)),
  };
}

/** Both sides as labelled solutions where the pair has labels; a continuation stands after its right prefix. */
function labelledSides(pair: LabelledPair): LabelledSteps[] {
  const before = pair.prefix === undefined ? [] : joinSteps([pair.prefix]).split("\n");
  const side = (text: string, labels: readonly StepLabel[] | undefined): LabelledSteps[] =>
    labels === undefined
      ? []
      : [{ steps: [...before, ...text.split("\n")], labels: [...before.map(() => 1), ...labels] }];
  return [...side(pair.chosen, pair.chosen_labels), ...side(pair.rejected, pair.rejected_labels)];
}

function pairPart({ pair: raw, gold, answer }: Extract<Parsed, { kind: "pair" }>): RecordPart {
  const pair = cleanPair(raw);
  const labelled = labelledSides(pair);
  const chosen = labelled[0];
  const whole = chosen !== undefined && pair.chosen_labels?.every(isRight) ? chosen.steps.join("\n") : undefined;
  return { prompt: pair.prompt, pairs: [pair], labelled, ...knownSolution(gold ?? checkable(whole), answer) };
}

function solutionPart(solution: Extract<Parsed, { kind: "solution" }>): RecordPart {
  const { texts, labels, wholeTexts } = solution;
  const prompt = promptOf(solution.prompt);
  if (wholeTexts === true) {
    // a step of several lines stays one step, as ProcessBench counts them
    const steps = texts.map(onOneLine);
    if (steps.includes("")) throw badRecord("empty_step", `field "steps.${steps.indexOf("")}" is empty`);
    return { prompt, labelled: [{ steps, labels }] };
  }
  const labelled = shareLabels(texts, labels);
  if (labelled.steps.length === 0) throw badRecord("no_steps", "the solution has no step");
  const right = labelled.labels.every(isRight) ? labelled.steps.join("\n") : undefined;
  return { prompt, labelled: [labelled], ...knownSolution(checkable(right), undefined) };
}

function rolloutPart({ prompt, gold, answer, samples }: Extract<Parsed, { kind: "rollout" }>): RecordPart {
  const labelled = samples.flatMap(({ completion, stepLabels }): LabelledSteps[] => {
    const steps = joinSteps([completion]);
    return stepLabels === undefined || steps === "" ? [] : [{ steps: steps.split("\n"), labels: stepLabels }];
  });
  const bad = labelled.find(({ steps, labels }) => steps.length !== labels.length);
  if (bad !== undefined)
    throw badRecord("label_count", `"step_labels" has ${bad.labels.length} labels for ${bad.steps.length} steps`);
  return { prompt: promptOf(prompt), labelled, ...knownSolution(gold, answer) };
}
