import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type {
  AuditEvent,
  Bundle,
  Consent,
  Device,
  DiagnosticReport,
  Endpoint,
  ImagingStudy,
  Observation,
  Patient,
  Provenance,
  Task,
} from 'fhir/r4';
import { chestPhantom } from '../../demo/phantom.ts';
import { detailPath, readRecords } from '../../src/audit/segments.ts';
import { verifyLog } from '../../src/audit/verify.ts';
import { createHeaderReader } from '../../src/dicom/header.ts';
import { writePart10 } from '../../src/dicom/write.ts';
import { missing, startPostgres, startRedis } from '../engines.ts';
import { api, parts, testServer, until } from '../harness.ts';

const denial = (patient: string, status: Consent['status'] = 'active'): Consent => ({
  resourceType: 'Consent',
  status,
  scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
  category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
  patient: { reference: `Patient/${patient}` },
  dateTime: '2026-01-10',
  policy: [{ uri: 'https://profiles.ihe.net/ITI/PCF/Policy-basic-normal' }],
  provision: { type: 'deny' },
});

const eventsOf = async (data: string): Promise<AuditEvent[]> => {
  const events: AuditEvent[] = [];
  for await (const { entry } of readRecords(detailPath(join(data, 'audit', 'server'), 0)))
    events.push(JSON.parse((JSON.parse(entry.toString('utf8')) as { event: string }).event) as AuditEvent);
  return events;
};

const walk = async (t: TestContext, settings: Record<string, string>): Promise<void> => {
  const server = await testServer(t, settings);
  const client = api(server.baseUrl, await server.token('system/*.cruds'));
  const phantom = chestPhantom({
    slices: 64,
    size: 96,
    emphysemaShare: 0.1,
    seed: `scenario-${Date.now()}`,
    patientId: 'SCENARIO-1',
  });
  const objects = phantom.datasets.map(writePart10);
  const study = phantom.studyInstanceUid;

  const stored = await client.stow(objects);
  assert.equal(stored.status, 200);
  const answer = (await stored.json()) as Record<string, { Value: unknown[] }>;
  assert.equal(answer['00081199']!.Value.length, objects.length);
  assert.equal(answer['00081198'], undefined);

  // Read your own writes: no waiting between the store and the record.
  const { entry } = await client.json<Bundle<ImagingStudy>>(
    `/fhir/ImagingStudy?identifier=urn:dicom:uid|urn:oid:${study}&_include=ImagingStudy:endpoint`,
  );
  const imagingStudy = entry![0]!.resource!;
  assert.equal(imagingStudy.numberOfInstances, objects.length);
  assert.equal(
    (entry!.find(({ search }) => search?.mode === 'include')!.resource as unknown as Endpoint).address,
    `${server.baseUrl}/dicom-web`,
  );
  const patientId = imagingStudy.subject.reference!.split('/')[1]!;
  const patient = await client.json<Patient>(`/fhir/Patient/${patientId}`);
  assert.equal(patient.name![0]!.family, 'Phantom');
  assert.equal(patient.identifier![0]!.value, 'SCENARIO-1');

  const [row] = await client.json<Record<string, { Value?: unknown[] }>[]>(
    '/dicom-web/studies?PatientID=SCENARIO-1&includefield=00081030',
  );
  assert.deepEqual(row!['0020000D']!.Value, [study]);
  const retrieved = await parts(
    await client.get(`/dicom-web/studies/${study}`, { Accept: 'multipart/related; type="application/dicom"; transfer-syntax=*' }),
  );
  assert.equal(retrieved.length, objects.length);
  assert.ok(retrieved.every(({ body }) => objects.some((object) => object.equals(body))));

  const task = await until(async () => {
    const found = (await client.json<Bundle<Task>>(`/fhir/Task?patient=Patient/${patientId}`)).entry?.[0]?.resource;
    return found && !['requested', 'in-progress'].includes(found.status) ? found : undefined;
  }, 'the AI job ends');
  assert.equal(task.status, 'completed', task.statusReason?.text ?? '');

  const report = (await client.json<Bundle<DiagnosticReport>>(`/fhir/DiagnosticReport?subject=Patient/${patientId}`)).entry![0]!
    .resource!;
  assert.equal(report.status, 'preliminary');
  assert.equal(report.meta!.security![0]!.code, 'AIAST');
  const observations = (await client.json<Bundle<Observation>>(`/fhir/Observation?patient=${patientId}`)).entry!.map(
    ({ resource }) => resource!,
  );
  assert.equal(observations.length, 5);
  const laa = observations.find(({ code }) => code.coding![0]!.code === 'LAA950')!;
  assert.ok(Math.abs(laa.valueQuantity!.value! - phantom.truth.laa950) < 1);
  assert.equal(laa.valueQuantity!.system, 'http://unitsofmeasure.org');
  const device = await client.json<Device>(`/fhir/${laa.device!.reference!}`);
  assert.equal(device.type!.coding![0]!.code, 'Artificial-Intelligence');
  const provenance = (await client.json<Bundle<Provenance>>(`/fhir/Provenance?target=DiagnosticReport/${report.id}`)).entry![0]!
    .resource!;
  assert.equal(provenance.agent[0]!.who.reference, laa.device!.reference);

  const [sr] = await client.json<Record<string, { Value?: unknown[] }>[]>(
    `/dicom-web/studies/${study}/instances?SOPClassUID=1.2.840.10008.5.1.4.1.1.88.34`,
  );
  assert.equal(report.identifier![0]!.value, `urn:oid:${sr!['00080018']!.Value![0]}`);
  const srPath = `/dicom-web/studies/${study}/series/${sr!['0020000E']!.Value![0]}/instances/${sr!['00080018']!.Value![0]}`;
  const [srPart] = await parts(await client.get(srPath));
  const reader = createHeaderReader();
  reader.push(srPart!.body);
  assert.equal((await reader.end()).dataset['0040A493']!.Value![0], 'UNVERIFIED');

  // The SR came back into the study: it must not start another run.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.equal((await client.json<Bundle<Task>>(`/fhir/Task?patient=Patient/${patientId}`)).entry!.length, 1);

  await consent(server, client, { study, imagingStudy: imagingStudy.id!, report: report.id!, patient: patientId });
  await server.stop();
  await onRecord(server.config.data);
};

interface Known {
  readonly study: string;
  readonly imagingStudy: string;
  readonly report: string;
  readonly patient: string;
}

/** A denial hides study and report on both sides at once; taking it back shows them again at once. */
const consent = async (
  server: Awaited<ReturnType<typeof testServer>>,
  client: ReturnType<typeof api>,
  known: Known,
): Promise<void> => {
  const reader = api(server.baseUrl, await server.token('user/*.rs', { user: 'Practitioner/reader' }));
  const seen = async () => ({
    read: (await reader.get(`/fhir/DiagnosticReport/${known.report}`)).status,
    imagingStudy: (await reader.get(`/fhir/ImagingStudy/${known.imagingStudy}`)).status,
    found: (await reader.json<Bundle>(`/fhir/DiagnosticReport?subject=Patient/${known.patient}`)).entry?.length ?? 0,
    studies: (await reader.json<unknown[]>(`/dicom-web/studies?StudyInstanceUID=${known.study}`)).length,
    metadata: (await reader.get(`/dicom-web/studies/${known.study}/metadata`)).status,
    study: (
      await reader.get(`/dicom-web/studies/${known.study}`, {
        Accept: 'multipart/related; type="application/dicom"; transfer-syntax=*',
      })
    ).status,
  });
  const open = { read: 200, imagingStudy: 200, found: 1, studies: 1, metadata: 200, study: 200 };
  const closed = { read: 404, imagingStudy: 404, found: 0, studies: 0, metadata: 404, study: 404 };
  assert.deepEqual(await seen(), open);
  const created = await client.post('/fhir/Consent', denial(known.patient));
  assert.equal(created.status, 201);
  assert.deepEqual(await seen(), closed);
  const { id } = (await created.json()) as Consent;
  // The operator's client is under the same consent: it may write the Consent that it can no longer read.
  const admin = api(
    server.baseUrl,
    await server.token('patient/*.cruds', { patient: known.patient, user: `Patient/${known.patient}` }),
  );
  assert.equal((await admin.put(`/fhir/Consent/${id}`, { ...denial(known.patient, 'inactive'), id })).status, 200);
  assert.deepEqual(await seen(), open);
};

const onRecord = async (data: string): Promise<void> => {
  const events = await eventsOf(data);
  const of = (code: string, action?: string) =>
    events.filter((event) => event.type.code === code && (action === undefined || event.action === action));
  assert.ok(of('110104', 'C').length >= 2, 'study and SR were stored');
  assert.ok(of('110112').length > 0, 'queries');
  assert.ok(of('rest', 'R').length > 0, 'reads');
  assert.ok(
    events.some((event) => event.outcome === '4' && event.outcomeDesc === 'unknown'),
    'what consent hid was refused on record',
  );
  for (const step of ['start', 'deidentify', 'model', 'store', 'publish'])
    assert.equal(
      events.filter((event) => event.outcomeDesc === step && event.entity?.some((entity) => entity.role?.code === '20')).length,
      1,
      step,
    );
  const text = JSON.stringify(events);
  assert.ok(!text.includes('Phantom'), 'no name is in the log');
  const key = createPublicKey(readFileSync(join(data, 'keys', 'audit-ed25519.pub.pem')));
  const verdict = await verifyLog(join(data, 'audit', 'server'), key);
  assert.ok(verdict.ok, JSON.stringify(verdict));
  assert.equal(verdict.size, events.length);
};

test('FH-81 AI-1 AI-13 CO-21 CO-27 CO-28 CO-36: a study from STOW to report, embedded', (t) => walk(t, {}));

test('the same way on PostgreSQL and Redis', { skip: missing('postgres') || missing('redis-server') }, async (t) => {
  const postgres = await startPostgres();
  t.after(postgres.stop);
  const redis = await startRedis();
  t.after(redis.stop);
  await walk(t, { ISTHMUS_DATABASE_URL: postgres.url, ISTHMUS_REDIS_URL: redis.url });
});

test('CO-31 CO-33: a denial stops the AI job, and the record says why', async (t) => {
  const server = await testServer(t, { ISTHMUS_QUIET_PERIOD_MS: '1500' });
  const client = api(server.baseUrl, await server.token('system/*.cruds'));
  const phantom = chestPhantom({ slices: 30, size: 32, emphysemaShare: 0.1, seed: 'denied', patientId: 'DENIED-1' });
  assert.equal((await client.stow(phantom.datasets.map(writePart10))).status, 200);
  const study = (await client.json<Bundle<ImagingStudy>>('/fhir/ImagingStudy')).entry![0]!.resource!;
  const patient = study.subject.reference!.split('/')[1]!;
  assert.equal((await client.post('/fhir/Consent', denial(patient))).status, 201);
  const own = api(server.baseUrl, await server.token('patient/*.rs', { patient, user: `Patient/${patient}` }));
  const task = await until(async () => {
    const found = (await own.json<Bundle<Task>>('/fhir/Task')).entry?.[0]?.resource;
    return found && !['requested', 'in-progress'].includes(found.status) ? found : undefined;
  }, 'the job ends');
  assert.equal(task.status, 'cancelled');
  assert.equal(task.statusReason!.coding![0]!.code, 'consent');
  assert.equal((await own.json<Bundle>('/fhir/DiagnosticReport')).entry, undefined);
});
