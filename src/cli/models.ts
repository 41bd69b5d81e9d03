import { parseArgs } from 'node:util';
import { createModelRegistry } from '../models/registry.ts';
import type { Command } from './command.ts';

const help = `isthmus models [--json]

Lists the model packages, each checked against its digests, with intended use and the
attributes of an image that the model is given and why.

Example
  npx isthmus models
`;

export const models: Command = {
  name: 'models',
  summary: 'list the AI models and what they are given',
  help,
  run: async (args, io) => {
    const { values } = parseArgs({ args: [...args], options: { json: { type: 'boolean' } } });
    const list = createModelRegistry(io.config.models).list();
    if (values.json) {
      io.out(JSON.stringify(list.map(({ manifest, digest }) => ({ ...manifest, digest }))));
      return 0;
    }
    for (const { manifest, digest } of list) {
      io.out(
        `${manifest.id} ${manifest.version}  ${manifest.name}\n  ${manifest.card.intendedUse}\n  not for: ${manifest.card.outOfScope}\n  status: ${manifest.card.regulatoryStatus}\n  digest: ${digest}\n  is given:`,
      );
      for (const tag of manifest.input.tags) io.out(`    ${tag.keyword}: ${tag.why}`);
    }
    return 0;
  },
};
