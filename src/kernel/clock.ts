/** Time as a part, so that tests can turn it. */
export interface Clock {
  /** milliseconds since 1970-01-01T00:00:00Z */
  readonly now: () => number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** FHIR instant with milliseconds, UTC (R4 datatypes, instant). */
export const instant = (ms: number): string => new Date(ms).toISOString();
