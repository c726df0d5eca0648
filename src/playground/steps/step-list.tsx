// The steps of a completion, one line each, coloured by score as the scores come.

import type { ComponentChildren } from "preact";
import { ScoreMark } from "./score-mark.tsx";
import type { StepPart } from "./scored-text.ts";
import { TokenText } from "./token-text.tsx";

export interface StepListProps {
  parts: readonly StepPart[];
  /** Unique on the page. */
  name: string;
  /** The step that is wrong first, if that is known. */
  firstWrong?: number | undefined;
  /** What can be done with a step. */
  actions?: (part: StepPart, index: number) => ComponentChildren;
  /** What stands in place of a step's text. */
  replaced?: (part: StepPart, index: number) => ComponentChildren | undefined;
}

export function StepList({ parts, name, firstWrong, actions, replaced }: StepListProps) {
  return (
    <ol class="steps">
      {parts.map((part, index) => (
        <li key={index} class={index === firstWrong ? "wrong" : undefined}>
          <ScoreMark score={part.score} label={`step ${index + 1}`} />
          <span class="step-text">
            {replaced?.(part, index) ??
              (part.tokens.length > 0 ? (
                <TokenText
                  tokens={part.tokens}
                  name={`${name}-${index}`}
                  label={`Tokens of step ${index + 1}: ${part.text}`}
                />
              ) : (
                part.text
              ))}
            {index === firstWrong && <em> ✗ first wrong step</em>}
          </span>
          {actions !== undefined && <span class="actions">{actions(part, index)}</span>}
        </li>
      ))}
    </ol>
  );
}
