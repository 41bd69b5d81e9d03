import type { DicomJson } from '../dicom/json.ts';
import type { Found, Level } from '../studies/ports.ts';
import { negotiate } from './accept.ts';
import type { Context, Handler } from './context.ts';
import { type ParsedQuery, parseQuery } from './query.ts';
import { accessOf, factsOf } from './request-facts.ts';

export const JSON_OFFERS = [
  { type: 'application/dicom+json', multipart: false },
  { type: 'application/json', multipart: false },
] as const;

const MAX_AUDITED = 1000;

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
const rowText = (context: Context, found: Found, level: Level): string => {
  const own = level === 'study' ? studyText(found) : level === 'series' ? seriesText(found) : instanceText(found);
  const parents = [
    ...(level !== 'study' && context.path.study === undefined ? [studyText(found)] : []),
    ...(level === 'instance' && context.path.series === undefined ? [seriesText(found)] : []),
  ];
  return `{${[own, ...parents, `"00081190":${strings('UR', [url(context, found, level)])}`].join(',')}}`;
};

/** Adds what `includefield` asks for from the metadata of the row's own or first instance; pixel data and instance-only attributes stay out. */
const withFields = async (
  context: Context,
  text: string,
  found: Found,
  parsed: ParsedQuery,
  restriction: Parameters<Context['studies']['search']>[1],
): Promise<string> => {
  const row = JSON.parse(text) as DicomJson;
  const wanted = parsed.includeFields === 'all' ? undefined : [...parsed.includeFields].filter((tag) => !(tag in row));
  if (wanted?.length === 0) return text;
  const selection = {
    studyInstanceUid: found.study.studyInstanceUid,
    seriesInstanceUid: found.series?.seriesInstanceUid,
    sopInstanceUid: found.instance?.sopInstanceUid,
  };
  for await (const { json } of context.studies.metadata(selection, restriction)) {
    const dataset = JSON.parse(json) as DicomJson;
    for (const tag of wanted ?? Object.keys(dataset)) {
      const element = dataset[tag];
      if (element && !(tag in row) && element.BulkDataURI === undefined && isOfLevel(tag, parsed.query.level)) row[tag] = element;
    }
    break;
  }
  return JSON.stringify(Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1))));
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
    const search = new URL(request.url, 'http://localhost').search;
    const parameters = new URLSearchParams(search);
    const { offer } = negotiate(request.headers.accept, parameters.get('accept') ?? undefined, JSON_OFFERS);
    const parsed = parseQuery(level, path, parameters);
    if (path.study !== undefined && !(await studies.study(path.study, restriction)))
      return answer(context, offer.type, '[]', [], search);
    const { rows, more } = await studies.search(parsed.query, restriction);
    const texts: string[] = [];
    for (const found of rows) {
      const text = rowText(context, found, level);
      const wants = parsed.includeFields === 'all' || parsed.includeFields.size > 0;
      texts.push(wants ? await withFields(context, text, found, parsed, restriction) : text);
    }
    if (parsed.fuzzy)
      response.appendHeader(
        'Warning',
        '299 isthmus: "The fuzzymatching parameter is not supported. Only literal matching has been performed."',
      );
    if (more) response.appendHeader('Warning', '299 isthmus: "There are additional results that can be requested"');
    await answer(context, offer.type, `[${texts.join(',')}]`, rows, search);
  };

const answer = async (context: Context, type: string, body: string, rows: readonly Found[], search: string): Promise<void> => {
  const byStudy = new Map(
    rows
      .slice(0, MAX_AUDITED)
      .map((found) => [found.study.studyInstanceUid, accessOf(found.study, found.instance ? [found.instance] : [])]),
  );
  await context.audit.queried(factsOf(context), search, [...byStudy.values()]);
  const bytes = Buffer.from(body);
  context.response.writeHead(200, {
    'Content-Type': type === 'application/json' ? 'application/dicom+json' : type,
    'Content-Length': bytes.length,
  });
  context.response.end(bytes);
};
