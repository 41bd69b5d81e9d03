import { Fault } from '../kernel/fault.ts';

const MAX = 8.64e15;

/**
 * Instants a partial date or dateTime covers, ms, inclusive (R4 search §3.1.1.4.7). Without a zone it is UTC.
 *
 * @returns undefined for what is no date
 */
export const dateSpan = (text: string): { low: number; high: number } | undefined => {
  const match = /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}:\d{2})(:\d{2}(?:\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?)?)?$/.exec(text);
  if (!match) return undefined;
  const [, year, month, day, minutes, seconds, zone] = match;
  const low = Date.parse(`${year}-${month ?? '01'}-${day ?? '01'}T${minutes ?? '00:00'}${seconds ?? ':00'}${zone ?? 'Z'}`);
  if (
    Number.isNaN(low) ||
    (day !== undefined && new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() !== Number(day))
  )
    return undefined;
  if (seconds?.includes('.')) return { low, high: low };
  if (seconds) return { low, high: low + 999 };
  if (minutes) return { low, high: low + 59_999 };
  if (day) return { low, high: low + 86_399_999 };
  const next = month ? Date.UTC(Number(year), Number(month), 1) : Date.UTC(Number(year) + 1, 0, 1);
  return { low, high: next - 1 };
};

/** An R4 Period as a range; open ends reach to the end of time. */
export const periodSpan = (start: string | undefined, end: string | undefined): { low: number; high: number } | undefined => {
  const low = start === undefined ? -MAX : dateSpan(start)?.low;
  const high = end === undefined ? MAX : dateSpan(end)?.high;
  return low === undefined || high === undefined ? undefined : { low, high };
};

export const parseDate = (text: string): { low: number; high: number } => {
  const span = dateSpan(text);
  if (!span) throw new Fault('badParameter', 'A date in the search is malformed');
  return span;
};

/** Range a decimal stands for by its precision: 5.40 is 5.395 to 5.405 (R4 search §3.1.1.4.6). */
export const decimalSpan = (text: string): { low: number; high: number } | undefined => {
  const match = /^[+-]?\d+(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (!match) return undefined;
  const half = 0.5 * 10 ** (Number(match[2] ?? 0) - (match[1]?.length ?? 0));
  const value = Number(text);
  return { low: value - half, high: value + half };
};
