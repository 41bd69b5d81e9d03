const DAY_MS = 86_400_000;

/** First and last instant that a partial R4 date or dateTime covers; without a zone it is UTC. undefined = no date. */
const span = (text: string): { start: number; end: number } | undefined => {
  const match = /^(\d{4})(?:-(\d{2})(?:-(\d{2})(T.+)?)?)?$/.exec(text);
  if (!match) return undefined;
  const [, year, month, day, time] = match;
  const start = Date.parse(
    time === undefined
      ? `${year}-${month ?? '01'}-${day ?? '01'}T00:00:00Z`
      : /(Z|[+-]\d{2}:\d{2})$/.test(text)
        ? text
        : `${text}Z`,
  );
  if (Number.isNaN(start)) return undefined;
  if (time !== undefined) return { start, end: /\.\d/.test(time) ? start : start + 999 };
  if (day !== undefined) return { start, end: start + DAY_MS - 1 };
  const end = month !== undefined ? Date.UTC(Number(year), Number(month), 1) : Date.UTC(Number(year) + 1, 0, 1);
  return { start, end: end - 1 };
};

/**
 * Inclusive range in ms of an R4 Period or date; a missing end is open, a date-only end includes its last instant.
 *
 * @returns undefined when a given end is no date: the caller must then withhold
 */
export const dateRange = (
  from: string | undefined,
  to: string | undefined,
): { readonly start: number; readonly end: number } | undefined => {
  const start = from === undefined ? Number.NEGATIVE_INFINITY : span(from)?.start;
  const end = to === undefined ? Number.POSITIVE_INFINITY : span(to)?.end;
  return start === undefined || end === undefined ? undefined : { start, end };
};
