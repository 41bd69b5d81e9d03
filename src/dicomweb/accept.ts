import type { IncomingMessage } from 'node:http';
import { Fault } from '../kernel/fault.ts';

/** One media range of an Accept header (RFC 9110 §12.5.1, PS3.18 §8.7). */
export interface MediaRange {
  /** lower case, `type/subtype` */
  readonly type: string;
  /** lower-case names; values as given, unquoted */
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

/** Splits at `separator` outside quoted strings. */
const split = (text: string, separator: string): string[] => {
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '\\' && quoted) at++;
    else if (character === '"') quoted = !quoted;
    else if (character === separator && !quoted) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
};

const unquote = (text: string): string | undefined => {
  if (!text.startsWith('"')) return text;
  if (text.length < 2 || !text.endsWith('"')) return undefined;
  const value = text.slice(1, -1).replace(/\\(.)/g, '$1');
  return value === value.trim() ? value : undefined;
};

/** @returns undefined for what is no media type */
export const parseMediaType = (text: string): Omit<MediaRange, 'quality'> | undefined => {
  const [type, ...rest] = split(text, ';');
  const name = type!.trim().toLowerCase();
  if (!/^[!#$%&'*+.^_`|~a-z0-9-]+(\/[!#$%&'*+.^_`|~a-z0-9-]+)?$/.test(name)) return undefined;
  const parameters = new Map<string, string>();
  for (const part of rest) {
    if (part.trim() === '') continue;
    const at = part.indexOf('=');
    if (at < 0) continue;
    const value = unquote(part.slice(at + 1).trim());
    if (value === undefined) return undefined;
    parameters.set(part.slice(0, at).trim().toLowerCase(), value);
  }
  return { type: name, parameters };
};

const ALIASES: Readonly<Record<string, string>> = { 'image/x-jls': 'image/jls', 'image/x-dicom-rle': 'image/dicom-rle' };

/**
 * Ranges in the order of preference: by q, then as listed; q=0 says what is not wanted and stands last. What is no media type is
 * left out.
 */
export const parseAccept = (header: string): MediaRange[] =>
  split(header, ',')
    .flatMap((part): MediaRange[] => {
      const media = parseMediaType(part);
      if (!media) return [];
      const q = Number(media.parameters.get('q') ?? '1');
      const inner = media.parameters.get('type')?.toLowerCase();
      const parameters = inner === undefined ? media.parameters : new Map(media.parameters).set('type', ALIASES[inner] ?? inner);
      return [
        { type: ALIASES[media.type] ?? media.type, parameters, quality: Number.isFinite(q) ? Math.min(Math.max(q, 0), 1) : 0 },
      ];
    })
    .map((range, at) => ({ range, at }))
    .sort((a, b) => b.range.quality - a.range.quality || a.at - b.at)
    .map(({ range }) => range);

/** What a resource can be given as. */
export interface Offer {
  /** media type of the body, or of the parts when `multipart` */
  readonly type: string;
  readonly multipart: boolean;
  /** for a type that comes in transfer syntaxes */
  readonly syntax?: {
    /** those in which everything can be given; empty when the parts differ, and only `*` fits them all */
    readonly given: readonly string[];
    /** the one that is asked for by naming the type alone (PS3.18 §8.7.3) */
    readonly byDefault: string;
  };
}

const RENDERED = /^(image\/(jpeg|png|gif)|text\/html|application\/pdf|video\/)/;

const isAnything = (range: MediaRange): boolean => range.type.endsWith('/*');

const matchesType = (range: MediaRange, offer: Offer): boolean => {
  if (range.type === '*/*') return true;
  if (!offer.multipart) return range.type === offer.type || range.type === `${offer.type.slice(0, offer.type.indexOf('/'))}/*`;
  if (range.type !== 'multipart/related' && range.type !== 'multipart/*') return false;
  const inner = range.parameters.get('type');
  return inner === undefined || inner === offer.type || inner === '*/*';
};

/** A range that takes any type, or names none of the parts, takes what is stored. */
const matchesSyntax = (range: MediaRange, offer: Offer): boolean => {
  if (!offer.syntax) return true;
  const named = range.type === 'multipart/related' ? range.parameters.has('type') : !isAnything(range);
  const asked = range.parameters.get('transfer-syntax') ?? (named ? offer.syntax.byDefault : '*');
  return asked === '*' || offer.syntax.given.includes(asked);
};

/**
 * Chooses the representation (PS3.18 §8.7.4, §8.7.8). The `accept` query parameter goes before the header and falls back to it.
 *
 * @param offers in the server's order of preference; the first answers an absent header and one that takes anything
 * @throws Fault `notAcceptable` naming what is offered; `malformed` when DICOM and rendered types are mixed
 */
export const negotiate = (header: string | undefined, query: string | undefined, offers: readonly Offer[]): Offer => {
  for (const text of [query, header ?? '*/*']) {
    if (text === undefined || text.trim() === '') continue;
    const ranges = parseAccept(text);
    refuseMixture(ranges, offers);
    const unwanted = ranges.filter((range) => range.quality === 0 && !isAnything(range));
    const open = offers.filter((offer) => !unwanted.some((range) => matchesType(range, offer) && matchesSyntax(range, offer)));
    for (const range of ranges) {
      const offer = open.find(
        (candidate) => range.quality > 0 && matchesType(range, candidate) && matchesSyntax(range, candidate),
      );
      if (offer) return offer;
    }
  }
  throw new Fault('notAcceptable', `Offered here: ${offers.map(describe).join(', ')}`);
};

/** A type that lies in both worlds, as a JPEG frame does, is rendered only where it is not offered as data. */
const refuseMixture = (ranges: readonly MediaRange[], offers: readonly Offer[]): void => {
  const dicom = ranges.some((range) => range.type === 'multipart/related' || range.type.startsWith('application/dicom'));
  const isRendered = ({ type }: MediaRange): boolean => RENDERED.test(type) && !offers.some((offer) => offer.type === type);
  if (dicom && ranges.some(isRendered))
    throw new Fault('malformed', 'DICOM and rendered media types can not be asked for together');
};

const describe = ({ type, multipart, syntax }: Offer): string => {
  const whole = multipart ? `multipart/related; type="${type}"` : type;
  return syntax ? [...syntax.given, '*'].map((uid) => `${whole}; transfer-syntax=${uid}`).join(', ') : whole;
};

/** The `accept` parameter of a URL. A `+` stays what it is: hardly anyone encodes the one in `application/dicom+json`. */
export const acceptParameter = (url: string): string | undefined => {
  const at = url.indexOf('?');
  const values = (at < 0 ? [] : url.slice(at + 1).split('&')).flatMap((pair) => {
    if (!pair.startsWith('accept=')) return [];
    try {
      return [decodeURIComponent(pair.slice('accept='.length))];
    } catch {
      return [];
    }
  });
  return values.length === 0 ? undefined : values.join(',');
};

/** @throws Fault as `negotiate` */
export const negotiateFor = ({ headers, url }: IncomingMessage, offers: readonly Offer[]): Offer =>
  negotiate(headers.accept, acceptParameter(url ?? ''), offers);
