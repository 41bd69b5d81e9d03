import type { StudyIndex } from '../studies/ports.ts';
import { createStudyAdd } from './study-add.ts';
import { createStudySearch } from './study-search.ts';

/** The index of studies on either engine. */
export const createStudyIndex = (deps: Parameters<typeof createStudyAdd>[0]): StudyIndex => ({
  ...createStudySearch(deps.database),
  add: createStudyAdd(deps),
});

/** The pack of the newest instance, from which start-up looks for what a crash left. */
export const newestPack = async ({
  reader,
}: Pick<Parameters<typeof createStudyAdd>[0]['database'], 'reader'>): Promise<string | undefined> =>
  (await reader.selectFrom('instance').select('pack').orderBy('id', 'desc').limit(1).executeTakeFirst())?.pack;

export const isPackIndexed = async (
  { reader }: Pick<Parameters<typeof createStudyAdd>[0]['database'], 'reader'>,
  pack: string,
): Promise<boolean> =>
  (await reader.selectFrom('instance').select('id').where('pack', '=', pack).limit(1).executeTakeFirst()) !== undefined;
