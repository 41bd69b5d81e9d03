import type { InstanceRow, StudyRow } from '../studies/ports.ts';
import type { RequestFacts, StudyAccess } from './audit-port.ts';
import type { Context } from './context.ts';

export const factsOf = (context: Context): RequestFacts => ({
  requestId: context.requestId,
  principal: context.principal,
  address: context.request.socket.remoteAddress ?? '',
  method: context.request.method,
  route: String(context.request.route?.path ?? ''),
});

export const accessOf = (study: StudyRow, instances: readonly Pick<InstanceRow, 'sopClassUid'>[]): StudyAccess => {
  const json = JSON.parse(study.json) as Record<string, { Value?: unknown[] }>;
  return {
    studyInstanceUid: study.studyInstanceUid,
    imagingStudy: study.imagingStudy,
    patient: study.patient,
    accession: String(json['00080050']?.Value?.[0] ?? ''),
    sopClasses: [...new Set(instances.map((instance) => instance.sopClassUid))],
    instanceCount: instances.length,
  };
};
