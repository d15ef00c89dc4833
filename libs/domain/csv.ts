/** A cell: text, a number as decimal text, or nothing. */
export type CsvCell = { text: string } | { number: string } | null;

/** What spreadsheets take for the beginning of a formula; a caller's label must not become one. */
const FORMULA_START = /^[=+\-@\t\r\n]/;
const NEEDS_QUOTES = /[",\r\n]/;

const encodeCell = (cell: CsvCell): string => {
  if (cell === null) return '';
  if ('number' in cell) return cell.number;
  const text = FORMULA_START.test(cell.text) ? `'${cell.text}` : cell.text;
  return NEEDS_QUOTES.test(text) || text !== cell.text ? `"${text.replaceAll('"', '""')}"` : text;
};

/** One line as RFC 4180 has it. */
export const encodeCsvLine = (cells: readonly CsvCell[]): string => `${cells.map(encodeCell).join(',')}\r\n`;
