/**
 * Search form of a person name: NFKC, upper case, single spaces, no empty trailing components; the component groups
 * (alphabetic, ideographic, phonetic) joined by `=` (PS3.5 §6.2.1). Queries and stored names go through the same function,
 * so matching is insensitive to case in every script (PS3.4 §C.2.2.2.1).
 */
export const searchName = (name: string): string =>
  name
    .normalize('NFKC')
    .toUpperCase()
    .split('=')
    .map((group) =>
      group
        .replace(/\s+/g, ' ')
        .replace(/ ?\^ ?/g, '^')
        .replace(/[\^ ]+$/, '')
        .trim(),
    )
    .join('=')
    .replace(/=+$/, '');

/** Text of an indexed column: NUL has no place in a text column of either engine. */
export const searchText = (text: string): string => text.replaceAll('\0', '').trim();
