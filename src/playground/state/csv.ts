// Records as a CSV file for a spreadsheet, which runs a cell that begins with = + - or @ as a formula: such a text gets a leading apostrophe.

/** Header and rows. */
export async function csvOf(
  records: readonly Readonly<Record<string, string | number | null>>[],
  columns: readonly string[],
): Promise<string> {
  const { stringify } = await import("csv-stringify/browser/esm/sync");
  return stringify([...records], { header: true, columns: [...columns], escape_formulas: true });
}
