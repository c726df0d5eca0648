// JSON with the three words that Python's json.dumps writes and JSON does not have: NaN, Infinity and -Infinity. They become the numbers
// they name, and are refused only where a field needs a number.

/** A string, or one of the words outside strings. */
const STRING_OR_WORD = /"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g;

/** What carries a word through JSON.parse; it begins with NUL, which no data has. */
const MARK = "\u0000number ";

/** Parses `text`. Throws SyntaxError as JSON.parse does. */
export function parseLenientJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error;
    const marked = text.replace(STRING_OR_WORD, (token) =>
      token.startsWith('"') ? token : JSON.stringify(MARK + token),
    );
    const parsed: unknown = JSON.parse(marked, (_, value: unknown) =>
      typeof value === "string" && value.startsWith(MARK) ? Number(value.slice(MARK.length)) : value,
    );
    return parsed;
  }
}
