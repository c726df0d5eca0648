// How records that were left out are mended, by the reason under which they are counted. Reasons that need no mending, as a pair that was read
// before, are not here.

const MENDING: Readonly<Record<string, string>> = {
  broken_json: "write one whole JSON object on each line, as json.dumps does",
  unknown_format: "rename its fields with --columns, or see the formats in docs/data.md",
  missing_column: "name columns that the record has in --columns",
  ragged_row: "quote cells that hold the separator or a line break",
  bad_field: "give the field the type that docs/data.md names",
  bad_score: "give both scores as finite numbers, or neither",
  no_pair: "give a chosen and a rejected answer; other records are for train-reward and evaluate",
  ends_in_user_turn: "end both lists of messages with the assistant's answer",
  unknown_role: "rename the role to system, user or assistant",
  empty_message: "fill the message, or take it out",
  different_prompts: "let both sides ask the same: whole messages up to the answers must be equal",
  several_turns: "cut both sides to one answer after the messages that they share",
  no_prompt: "put a user's message before the answers, or a prompt beside them",
  empty_prompt: "fill the prompt",
  label_count: "give one label for each step",
  no_labels: "label a step false, or all steps true",
  no_right_row: "add a right solution of the same prompt",
  no_wrong_row: "add a wrong solution of the same prompt",
};

/** A line for each reason that has a way out, the reasons in the given order. */
export function mendingLines(reasons: readonly string[]): string[] {
  return reasons.flatMap((reason) => {
    const mending = MENDING[reason];
    return mending === undefined ? [] : [`mend     ${reason}: ${mending}`];
  });
}
