// A quiet word beside an answer: the model could not read some characters of the question.

import { lacking } from "../state/session.ts";

/** Nothing where the model's vocabulary has all characters of the question that was answered last, or another was. */
export function LackingNote({ prompt }: { prompt: string }) {
  const { characters } = lacking.value;
  if (lacking.value.prompt !== prompt || characters.length === 0) return null;
  return (
    <p class="soft lacking">
      The model's vocabulary lacks {characters.map((character) => visible(character)).join(" ")}: each was read as the
      same unknown token.
    </p>
  );
}

/** A character as it can be seen: by its number where it has no shape of its own. */
function visible(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return /[\p{C}\p{Z}\p{M}]/u.test(character) ? `U+${code.toString(16).toUpperCase().padStart(4, "0")}` : character;
}
