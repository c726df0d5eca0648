// A JSON object with some fields changed and every other number as it was written: JSON.parse makes 1 of 1.0, and Python's transformers
// refuses a config whose float has become an integer.

/** A string, or a number that stands outside strings. */
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** What JavaScript would write otherwise is carried through as a string with this mark (it begins with NUL, which no field of a config has). */
const MARK = "\\u0000number ";

/** Text of the object with `changes`, indented by two, ending in a newline. `text` must be a JSON object. */
export function editJson(text: string, changes: Readonly<Record<string, unknown>>): string {
  const marked = text.replace(STRING_OR_NUMBER, (token) =>
    token.startsWith('"') || JSON.stringify(Number(token)) === token ? token : `"${MARK}${token}"`,
  );
  const json: unknown = JSON.parse(marked);
  const edited = JSON.stringify({ ...Object(json), ...changes }, null, 2);
  return `${edited.replaceAll(/"\\u0000number ([^"]*)"/g, "$1")}\n`;
}
