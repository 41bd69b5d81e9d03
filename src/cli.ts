#!/usr/bin/env node
import { audit } from './cli/audit.ts';
import { client } from './cli/client.ts';
import { type Command, UsageError } from './cli/command.ts';
import { config } from './cli/config.ts';
import { consent } from './cli/consent.ts';
import { doctor } from './cli/doctor.ts';
import { models } from './cli/models.ts';
import { serve } from './cli/serve.ts';
import { token } from './cli/token.ts';
import { ConfigError, loadConfig } from './kernel/config.ts';
import { Fault } from './kernel/fault.ts';

const COMMANDS: readonly Command[] = [serve, client, token, consent, audit, models, config, doctor];

const usage = (): string => `isthmus <command> [options]

${COMMANDS.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`).join('\n')}

isthmus <command> --help shows options and examples. Settings: isthmus config.
`;

const run = async (args: readonly string[]): Promise<number> => {
  const [name, ...rest] = args;
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (!command) {
    const asked = name === undefined || name === '--help' || name === 'help';
    (asked ? process.stdout : process.stderr).write(asked ? usage() : `There is no command ${name}.\n\n${usage()}`);
    return asked ? 0 : 2;
  }
  if (rest.includes('--help')) {
    process.stdout.write(command.help);
    return 0;
  }
  const loaded = loadConfig(process.env);
  return command.run(rest, {
    out: (text) => process.stdout.write(`${text}\n`),
    err: (text) => process.stderr.write(`${text}\n`),
    ...loaded,
  });
};

/** What a person can act on; the rest is a bug and says so without its data. */
const explain = (error: unknown): string => {
  if (error instanceof UsageError || error instanceof ConfigError || error instanceof Fault) return error.message;
  const { code, name, message } = error as NodeJS.ErrnoException;
  return String(code ?? '').startsWith('ERR_PARSE_ARGS') ? message : `${name}${code ? ` ${code}` : ''}: ${message}`;
};

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`isthmus: ${explain(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
