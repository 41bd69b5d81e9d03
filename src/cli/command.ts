import type { Config, Setting } from '../kernel/config.ts';

/** What a command talks to. */
export interface Io {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly config: Config;
  readonly settings: readonly Setting[];
}

/** One file per command; the list in cli.ts makes `isthmus --help`. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  /** usage, options and examples */
  readonly help: string;
  /** @returns exit status */
  readonly run: (args: readonly string[], io: Io) => Promise<number>;
}

/** The command line was not understood. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
