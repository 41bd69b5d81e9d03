import type { DicomJson } from '../dicom/json.ts';
import type { StudyInstance, StudySource } from '../jobs/ports.ts';
import { UNRESTRICTED } from '../kernel/restriction.ts';
import type { StudyIndex } from '../studies/ports.ts';
import type { Studies } from '../studies/service.ts';

/** The studies room as the jobs room sees it. */
export const createStudySource = (studies: Studies, index: StudyIndex): StudySource => ({
  facts: async (studyInstanceUid) => {
    const study = await index.study(studyInstanceUid, UNRESTRICTED);
    if (!study) return undefined;
    const { rows } = await index.search(
      { level: 'series', studyInstanceUid, seriesInstanceUid: undefined, matches: new Map(), limit: 10_000, offset: 0 },
      UNRESTRICTED,
    );
    const instances = new Map<string, { uid: string; sha256: string }[]>();
    for await (const row of index.instances(
      { studyInstanceUid, seriesInstanceUid: undefined, sopInstanceUid: undefined },
      UNRESTRICTED,
    )) {
      const list = instances.get(row.seriesInstanceUid) ?? [];
      list.push({ uid: row.sopInstanceUid, sha256: row.sha256.toString('hex') });
      instances.set(row.seriesInstanceUid, list);
    }
    return {
      studyInstanceUid,
      imagingStudy: study.imagingStudy,
      patient: study.patient,
      revision: study.revision,
      series: rows.map(({ series }) => ({
        seriesInstanceUid: series!.seriesInstanceUid,
        modality: String((JSON.parse(series!.json) as DicomJson)['00080060']?.Value?.[0] ?? ''),
        instances: instances.get(series!.seriesInstanceUid) ?? [],
      })),
    };
  },
  instances: async function* (studyInstanceUid, seriesInstanceUid): AsyncGenerator<StudyInstance> {
    for await (const { row, json, bulk } of index.metadata(
      { studyInstanceUid, seriesInstanceUid, sopInstanceUid: undefined },
      UNRESTRICTED,
    )) {
      const pixels = bulk.find((value) => value.path === '7FE00010');
      yield {
        sopInstanceUid: row.sopInstanceUid,
        sopClassUid: row.sopClassUid,
        seriesInstanceUid: row.seriesInstanceUid,
        transferSyntaxUid: row.transferSyntaxUid,
        sha256: row.sha256.toString('hex'),
        dataset: JSON.parse(json) as DicomJson,
        pixels: async () => {
          if (pixels?.length === undefined) return Buffer.alloc(0);
          const chunks: Buffer[] = [];
          for await (const chunk of studies.bytes(row, pixels.offset, pixels.offset + pixels.length)) chunks.push(chunk);
          return Buffer.concat(chunks);
        },
      };
    }
  },
});
