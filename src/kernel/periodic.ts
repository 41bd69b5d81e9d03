import type { Log } from './log.ts';

export interface Periodic {
  /** asks for a run soon; many asks before it starts are one run */
  readonly poke: () => void;
  /** waits for the run under way and starts no other */
  readonly stop: () => Promise<void>;
}

/**
 * Runs work now and then, never twice at once: a poke during a run leads to one more run after it.
 *
 * @param everyMs longest time between two runs, so that what nobody announced is found too
 */
export const runPeriodically = (name: string, everyMs: number, work: () => Promise<void>, log: Log): Periodic => {
  let stopped = false;
  let asked = false;
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  const run = (): void => {
    if (stopped) return;
    clearTimeout(timer);
    if (running) {
      asked = true;
      return;
    }
    asked = false;
    running = work()
      .catch((error: unknown) => log.error(`${name} failed`, { error }))
      .finally(() => {
        running = undefined;
        if (stopped) return;
        if (asked) setImmediate(run);
        else timer = setTimeout(run, everyMs);
      });
  };

  timer = setTimeout(run, everyMs);
  return {
    poke: () => {
      if (running) asked = true;
      else setImmediate(run);
    },
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
};
