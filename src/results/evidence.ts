import type { DicomKeywords } from '../dicom/write-check.ts';
import type { EvidenceInstance } from './result.ts';

/** Every instance the content refers to, by series (PS3.3 §C.17.2.3). */
export const evidenceSequence = (studyInstanceUid: string, evidence: readonly EvidenceInstance[]): DicomKeywords[] => {
  const bySeries = Map.groupBy(evidence, (instance) => instance.seriesInstanceUid);
  return [
    {
      StudyInstanceUID: studyInstanceUid,
      ReferencedSeriesSequence: [...bySeries].map(([seriesInstanceUid, instances]) => ({
        SeriesInstanceUID: seriesInstanceUid,
        ReferencedSOPSequence: instances.map((instance) => ({
          ReferencedSOPClassUID: instance.sopClassUid,
          ReferencedSOPInstanceUID: instance.sopInstanceUid,
        })),
      })),
    },
  ];
};
