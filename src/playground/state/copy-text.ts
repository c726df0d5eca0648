// A text put on the clipboard.

/** What to say then. A page that is not served over HTTPS, or from this machine, has no clipboard. */
export async function copyText(text: string): Promise<string> {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied.";
  } catch {
    return "The browser does not let a page copy here: select the text instead.";
  }
}
