import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { openDatabase } from '../compose/storage.ts';
import { createModelRegistry } from '../models/registry.ts';
import { createSandbox } from '../models/sandbox.ts';
import type { Command } from './command.ts';

const help = `isthmus doctor [--json]

Checks what a server needs: runtime, data folder, database, models, sandbox. Ends with
status 1 when something is wrong.

Example
  npx isthmus doctor
`;

interface Check {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
}

const attempt = async (what: string, work: () => Promise<string> | string): Promise<Check> => {
  try {
    return { what, ok: true, detail: await work() };
  } catch (error) {
    return { what, ok: false, detail: (error as NodeJS.ErrnoException).code ?? (error as Error).name };
  }
};

export const doctor: Command = {
  name: 'doctor',
  summary: 'check runtime, data folder, database, models and sandbox',
  help,
  run: async (args, io) => {
    const { values } = parseArgs({ args: [...args], options: { json: { type: 'boolean' } } });
    const checks = [
      await attempt('runtime', () => `node ${process.versions.node}`),
      await attempt('data folder', () => {
        if (!existsSync(io.config.data)) return `${io.config.data} will be made`;
        accessSync(io.config.data, constants.W_OK);
        return `${io.config.data}${(statSync(io.config.data).mode & 0o077) === 0 ? '' : ' (readable by others: chmod 700 it)'}`;
      }),
      await attempt('database', async () => {
        const database = await openDatabase(io.config);
        await database.close();
        return database.dialect;
      }),
      await attempt('models', () =>
        createModelRegistry(io.config.models)
          .list()
          .map(({ manifest }) => `${manifest.id} ${manifest.version}`)
          .join(', '),
      ),
      await attempt('sandbox', () =>
        createSandbox().isolation === 'namespace'
          ? 'no network by namespace'
          : 'no network by permission flags only (user namespaces are off)',
      ),
    ];
    if (values.json) io.out(JSON.stringify(checks));
    else for (const { what, ok, detail } of checks) io.out(`${ok ? 'ok ' : 'BAD'}  ${what.padEnd(12)} ${detail}`);
    return checks.every((check) => check.ok) ? 0 : 1;
  },
};
