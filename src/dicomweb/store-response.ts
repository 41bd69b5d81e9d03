import type { StoreResult } from '../studies/service.ts';

type Item = Record<string, { vr: string; Value: unknown[] }>;

const reference = (sopClassUid: string | undefined, sopInstanceUid: string | undefined): Item => ({
  ...(sopClassUid ? { '00081150': { vr: 'UI', Value: [sopClassUid] } } : {}),
  ...(sopInstanceUid ? { '00081155': { vr: 'UI', Value: [sopInstanceUid] } } : {}),
});

/**
 * The Store Instances Response Module (PS3.18 table I.2-1) and its status: 200 when all is stored, 202 when some failed or were
 * stored with a warning, 409 when nothing was.
 *
 * @param root absolute URL of the DICOMweb service
 */
export const storeResponse = (
  results: readonly StoreResult[],
  root: string,
): { status: number; body: string; warnings: string[] } => {
  const stored = results.filter((result) => result.kind === 'stored');
  const failed = results.filter((result) => result.kind === 'failed');
  const studies = [...new Set(stored.map((result) => result.studyInstanceUid))];
  const body: Item = {
    ...(stored.length > 0 && studies.length === 1 ? { '00081190': { vr: 'UR', Value: [`${root}/studies/${studies[0]}`] } } : {}),
    ...(failed.length > 0
      ? {
          '00081198': {
            vr: 'SQ',
            Value: failed.map((result) => ({
              ...reference(result.sopClassUid, result.sopInstanceUid),
              '00081197': { vr: 'US', Value: [result.failureReason] },
            })),
          },
        }
      : {}),
    ...(stored.length > 0
      ? {
          '00081199': {
            vr: 'SQ',
            Value: stored.map((result) => ({
              ...reference(result.sopClassUid, result.sopInstanceUid),
              '00081190': {
                vr: 'UR',
                Value: [
                  `${root}/studies/${result.studyInstanceUid}/series/${result.seriesInstanceUid}/instances/${result.sopInstanceUid}`,
                ],
              },
              ...(result.warningReason === undefined ? {} : { '00081196': { vr: 'US', Value: [result.warningReason] } }),
            })),
          },
        }
      : {}),
  };
  const warned = stored.some((result) => result.warningReason !== undefined);
  const status = stored.length === 0 ? 409 : failed.length > 0 || warned ? 202 : 200;
  return { status, body: JSON.stringify(body), warnings: [...new Set(failed.map((result) => result.message))] };
};
