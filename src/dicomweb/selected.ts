import { Fault } from '../kernel/fault.ts';
import type { InstanceMetadata, InstanceRow, Selection, StudyRow } from '../studies/ports.ts';
import type { Context } from './context.ts';

const unknown = (): Fault => new Fault('unknown', 'No such study, series or instance');

const selectionOf = ({ path }: Context): Selection => ({
  studyInstanceUid: path.study!,
  seriesInstanceUid: path.series,
  sopInstanceUid: path.instance,
});

/**
 * What the path names, as far as the token may see it.
 *
 * @throws Fault `unknown`, the same for what is absent, what lies elsewhere and what is hidden
 */
export const selected = async (context: Context): Promise<{ study: StudyRow; rows: InstanceRow[] }> => {
  const { restriction } = await context.view('r');
  const study = await context.studies.study(context.path.study!, restriction);
  if (!study) throw unknown();
  const rows: InstanceRow[] = [];
  for await (const row of context.studies.instances(selectionOf(context), restriction)) rows.push(row);
  if (rows.length === 0) throw unknown();
  return { study, rows };
};

/** One instance with its dataset. @throws Fault `unknown` */
export const selectedInstance = async (context: Context): Promise<{ study: StudyRow; found: InstanceMetadata }> => {
  const { restriction } = await context.view('r');
  const study = await context.studies.study(context.path.study!, restriction);
  if (!study) throw unknown();
  for await (const found of context.studies.metadata(selectionOf(context), restriction)) return { study, found };
  throw unknown();
};

export const metadataOf = async function* (context: Context): AsyncGenerator<InstanceMetadata> {
  const { restriction } = await context.view('r');
  yield* context.studies.metadata(selectionOf(context), restriction);
};
