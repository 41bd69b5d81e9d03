import { Fault } from '../kernel/fault.ts';
import type { InstanceMetadata, InstanceRow, Selection, StudyRow } from '../studies/ports.ts';
import type { Context } from './context.ts';

const unknown = (): Fault => new Fault('unknown', 'No such study, series or instance');

const selectionOf = ({ path }: Context): Selection => ({
  studyInstanceUid: path.study!,
  seriesInstanceUid: path.series,
  sopInstanceUid: path.instance,
});

interface SelectedInstances {
  readonly study: StudyRow;
  readonly rows: readonly InstanceRow[];
  /** datasets of the same selection, under the same restriction */
  readonly metadata: () => AsyncGenerator<InstanceMetadata>;
}

/**
 * What the path names, as far as the token may see it.
 *
 * @throws Fault `unknown`, the same for what is absent, what lies elsewhere and what is hidden
 */
export const selected = async (context: Context): Promise<SelectedInstances> => {
  const { restriction } = await context.view('r');
  const study = await context.studies.study(context.path.study!, restriction);
  if (!study) throw unknown();
  const selection = selectionOf(context);
  const rows: InstanceRow[] = [];
  for await (const row of context.studies.instances(selection, restriction)) rows.push(row);
  if (rows.length === 0) throw unknown();
  return { study, rows, metadata: () => context.studies.metadata(selection, restriction) };
};

/** One instance with its dataset. @throws Fault `unknown` */
export const selectedInstance = async (context: Context): Promise<{ study: StudyRow; found: InstanceMetadata }> => {
  const { restriction } = await context.view('r');
  const study = await context.studies.study(context.path.study!, restriction);
  if (!study) throw unknown();
  for await (const found of context.studies.metadata(selectionOf(context), restriction)) return { study, found };
  throw unknown();
};

/** Absolute URL of an instance. */
export const instanceUrl = ({ root }: Context, row: InstanceRow): string =>
  `${root}/studies/${row.studyInstanceUid}/series/${row.seriesInstanceUid}/instances/${row.sopInstanceUid}`;
