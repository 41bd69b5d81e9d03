import { type DicomJson, stringifyDataset } from '../dicom/json.ts';
import type { Restriction } from '../kernel/restriction.ts';
import type { Found, InstanceRow, Level, StudyRow } from '../studies/ports.ts';
import { negotiateFor } from './accept.ts';
import type { StudyAccess } from './audit-port.ts';
import type { Context, Handler } from './context.ts';
import { JSON_OFFERS } from './metadata.ts';
import { INDEXED, type ParsedQuery, parseQuery } from './query.ts';
import { accessOf, factsOf } from './request-facts.ts';

/** Warning headers name the server (RFC 9111 §5.5). */
const warning = (text: string): string => `299 isthmus: "${text}"`;

const url = (context: Context, found: Found, level: Level): string => {
  const study = `${context.root}/studies/${found.study.studyInstanceUid}`;
  if (level === 'study') return study;
  const series = `${study}/series/${found.series!.seriesInstanceUid}`;
  return level === 'series' ? series : `${series}/instances/${found.instance!.sopInstanceUid}`;
};

const inner = (json: string): string => json.slice(1, -1);
const strings = (vr: string, values: readonly (string | number)[]): string =>
  JSON.stringify(values.length === 0 ? { vr } : { vr, Value: values });

/** Attributes of the study, counted ones too (PS3.18 table 10.6.3-3). */
const studyText = ({ study }: Found): string =>
  [
    inner(study.json),
    `"00080061":${strings('CS', study.modalities)}`,
    `"00201206":${strings('IS', [study.seriesCount])}`,
    `"00201208":${strings('IS', [study.instanceCount])}`,
    '"00080056":{"vr":"CS","Value":["ONLINE"]}',
  ].join(',');

const seriesText = ({ series }: Found): string =>
  [inner(series!.json), `"00201209":${strings('IS', [series!.instanceCount])}`].join(',');

const instanceText = ({ instance }: Found): string =>
  [inner(instance!.json), `"00083002":${strings('UI', [instance!.transferSyntaxUid])}`].join(',');

/** A row of a level; without a parent in the path the parents' attributes come with it (PS3.18 §10.6.3.3). */
const rowOf = (context: Context, found: Found, level: Level): DicomJson => {
  const own = level === 'study' ? studyText(found) : level === 'series' ? seriesText(found) : instanceText(found);
  const parents = [
    ...(level !== 'study' && context.path.study === undefined ? [studyText(found)] : []),
    ...(level === 'instance' && context.path.series === undefined ? [seriesText(found)] : []),
  ];
  return JSON.parse(`{${[own, ...parents, `"00081190":${strings('UR', [url(context, found, level)])}`].join(',')}}`) as DicomJson;
};

/** What is asked for and may not simply be absent: a row has all that the index knows of its level. */
const missingFields = (row: DicomJson, { includeFields, query: { level } }: ParsedQuery): readonly string[] | 'all' => {
  if (includeFields === 'all') return 'all';
  const known = new Set(INDEXED[level]);
  return [...includeFields].filter((tag) => !(tag in row) && !known.has(tag) && isOfLevel(tag, level));
};

/** Adds what `includefield` asks for from the dataset of the row's own or first instance; pixel data and instance-only attributes stay out. */
const addFields = async (
  context: Context,
  row: DicomJson,
  found: Found,
  parsed: ParsedQuery,
  restriction: Restriction,
): Promise<void> => {
  const wanted = missingFields(row, parsed);
  if (wanted.length === 0) return;
  const instance = found.instance ?? (await firstInstance(context, found, restriction));
  if (!instance) return;
  const selection = {
    studyInstanceUid: instance.studyInstanceUid,
    seriesInstanceUid: instance.seriesInstanceUid,
    sopInstanceUid: instance.sopInstanceUid,
  };
  for await (const { json } of context.studies.metadata(selection, restriction)) {
    const dataset = JSON.parse(json) as DicomJson;
    for (const tag of wanted === 'all' ? Object.keys(dataset) : wanted) {
      const element = dataset[tag];
      if (element && !(tag in row) && element.BulkDataURI === undefined && isOfLevel(tag, parsed.query.level)) row[tag] = element;
    }
  }
};

const firstInstance = async (context: Context, found: Found, restriction: Restriction): Promise<InstanceRow | undefined> => {
  const { rows } = await context.studies.search(
    {
      level: 'instance',
      studyInstanceUid: found.study.studyInstanceUid,
      seriesInstanceUid: found.series?.seriesInstanceUid,
      matches: new Map(),
      limit: 1,
      offset: 0,
    },
    restriction,
  );
  return rows[0]?.instance;
};

/** Attributes of patient and study may be shown for a study; a series adds its own; an instance has all. */
const isOfLevel = (tag: string, level: Level): boolean => {
  if (level === 'instance') return true;
  const group = tag.slice(0, 4);
  const study =
    group === '0010' ||
    [
      '00080005',
      '00080020',
      '00080030',
      '00080050',
      '00080080',
      '00080081',
      '00080090',
      '00081030',
      '00081032',
      '0020000D',
      '00200010',
      '00321060',
      '00400275',
    ].includes(tag);
  return level === 'study'
    ? study
    : study ||
        (!['00080016', '00080018', '00200013', '00200032', '00201041'].includes(tag) && group !== '0028' && group !== '7FE0');
};

/** QIDO-RS (PS3.18 §10.6). */
export const qido =
  (level: Level): Handler =>
  async (context) => {
    const { request, response, studies, path } = context;
    const { restriction } = await context.view('s');
    negotiateFor(request, JSON_OFFERS);
    const { search } = new URL(request.url, 'http://localhost');
    const parsed = parseQuery(level, path, new URLSearchParams(search));
    const { rows, more } = await studies.search(parsed.query, restriction);
    const texts: string[] = [];
    for (const found of rows) {
      const row = rowOf(context, found, level);
      await addFields(context, row, found, parsed, restriction);
      texts.push(stringifyDataset(row));
    }
    await context.audit.queried(factsOf(context), search, accessesOf(rows));
    for (const text of parsed.warnings) response.appendHeader('Warning', warning(text));
    if (more) response.appendHeader('Warning', warning('There are additional results that can be requested'));
    const bytes = Buffer.from(`[${texts.join(',')}]`);
    response.writeHead(200, { 'Content-Type': 'application/dicom+json', 'Content-Length': bytes.length });
    response.end(bytes);
  };

/** Every study the answer names, once. */
const accessesOf = (rows: readonly Found[]): StudyAccess[] => {
  const byStudy = new Map<string, { study: StudyRow; instances: InstanceRow[] }>();
  for (const { study, instance } of rows) {
    const entry = byStudy.get(study.studyInstanceUid) ?? { study, instances: [] };
    if (instance) entry.instances.push(instance);
    byStudy.set(study.studyInstanceUid, entry);
  }
  return [...byStudy.values()].map(({ study, instances }) => accessOf(study, instances));
};
