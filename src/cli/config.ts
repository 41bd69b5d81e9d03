import { parseArgs } from 'node:util';
import type { Command } from './command.ts';

const help = `isthmus config [--json]

Prints every setting: value, where it comes from (environment, file or default) and what
it means. Passwords are not shown.

Example
  ISTHMUS_LISTEN=127.0.0.1:9090 npx isthmus config
`;

export const config: Command = {
  name: 'config',
  summary: 'print every setting, its value and origin',
  help,
  run: async (args, io) => {
    const { values } = parseArgs({ args: [...args], options: { json: { type: 'boolean' } } });
    if (values.json) io.out(JSON.stringify(io.settings));
    else
      for (const setting of io.settings)
        io.out(`${setting.env}=${String(setting.value)}  (${setting.origin})\n    ${setting.description}`);
    return 0;
  },
};
