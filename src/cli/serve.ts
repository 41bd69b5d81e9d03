import type { Command } from './command.ts';

const help = `isthmus serve

Starts the server with the settings of the environment and isthmus.config.json.

Example
  ISTHMUS_DATA=/srv/isthmus npx isthmus serve
`;

export const serve: Command = {
  name: 'serve',
  summary: 'start the server',
  help,
  run: async () => {
    await import('../main.ts');
    return new Promise(() => {});
  },
};
