import { DICTIONARY } from './dictionary-data.ts';

interface Entry {
  readonly vr: string;
  readonly keyword: string;
  /** the VR is US, SS or OW by context: PixelRepresentation or the table's own use (PS3.5 §A.1) */
  readonly ambiguous: boolean;
}

const byTag = new Map<string, Entry>();
const byKeyword = new Map<string, string>();
for (const line of DICTIONARY.split('\n')) {
  const [tag, vr, keyword] = line.split(' ');
  if (!tag || !vr || !keyword) continue;
  byTag.set(tag, { vr: vr.slice(0, 2), keyword, ambiguous: vr.endsWith('*') });
  byKeyword.set(keyword, tag);
}

/** Repeating groups are listed once: curves 50xx, overlays 60xx (PS3.5 §7.6). */
const entryOf = (tag: string): Entry | undefined =>
  byTag.get(tag) ?? (/^(50|60)[0-9A-F]{2}/.test(tag) ? byTag.get(`${tag.slice(0, 2)}00${tag.slice(4)}`) : undefined);

/** VR of a standard attribute (PS3.6); undefined for what the dictionary does not know. @param tag 8 upper-case hex digits */
export const vrOf = (tag: string): string | undefined => entryOf(tag)?.vr;

export const hasAmbiguousVr = (tag: string): boolean => entryOf(tag)?.ambiguous ?? false;

/** @returns 8 upper-case hex digits */
export const tagOf = (keyword: string): string | undefined => byKeyword.get(keyword);

export const keywordOf = (tag: string): string | undefined => entryOf(tag)?.keyword;
