import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { parseQuery } from '../../src/dicomweb/query.ts';
import { CT, image, type Row, type Service, STUDY, startService } from './service.ts';

const MR_STUDY = '1.2.826.0.1.3680043.8.498.2';
const GUSEVA = '1.2.826.0.1.3680043.8.498.3';
const ROOT = 'https://isthmus.example/dicom-web';

/** Three studies: Jane Doe's CT with two series, John Doe's MR, and one in Cyrillic and Japanese. */
const filled = async (t: TestContext): Promise<Service> => {
  const service = await startService(t);
  const stored = await service.stow([
    image(),
    image({ InstanceNumber: 2 }),
    image({
      SeriesInstanceUID: `${STUDY}.2`,
      SeriesNumber: 2,
      SeriesDescription: 'CORONAL',
      Modality: 'PT',
      SOPClassUID: '1.2.840.10008.5.1.4.1.1.128',
      PerformedProcedureStepStartDate: '20240116',
      RequestAttributesSequence: { ScheduledProcedureStepID: 'SPS-1', RequestedProcedureID: 'RP-1' },
    }),
    image({
      StudyInstanceUID: MR_STUDY,
      PatientID: 'P-2',
      PatientName: 'DOE^JOHN',
      StudyDate: '20240301',
      StudyTime: '2315',
      AccessionNumber: 'a-1',
      StudyDescription: 'HEAD [1]',
      Modality: 'MR',
      InstitutionName: 'NORTH',
    }),
    image({
      StudyInstanceUID: GUSEVA,
      PatientID: 'P-3',
      PatientName: 'ГУСЕВА^АННА=山田^太郎=やまだ^たろう',
      StudyDate: '20230715',
      StudyTime: '080000',
      AccessionNumber: 'A*1',
      StudyDescription: null,
      Modality: 'CT',
    }),
  ]);
  assert.equal(stored.status, 200);
  return service;
};

const one = (row: Row | undefined, tag: string): unknown => row?.[tag]?.Value?.[0];
const ids = async (service: Service, query: string): Promise<string> =>
  (await service.rows(`/studies?${query}`))
    .map((row) => String(one(row, '00100020')))
    .sort()
    .join(' ');

test('DW-73 DW-74 DW-75 what matches', async (t) => {
  const service = await filled(t);
  const table: readonly [string, string][] = [
    ['', 'P-1 P-2 P-3'],
    ['PatientID=P-1', 'P-1'],
    ['00100020=P-1', 'P-1'],
    ['PatientID=P-9', ''],
    ['PatientID=p-1', ''],
    ['PatientID=P-%3F', 'P-1 P-2 P-3'],
    ['PatientID=*', 'P-1 P-2 P-3'],
    ['PatientID=', 'P-1 P-2 P-3'],
    ['PatientName=doe*', 'P-1 P-2'],
    ['PatientName=Doe%5EJane', 'P-1'],
    ['PatientName=DOE%5EJ%3F%3FN', 'P-2'],
    ['PatientName=*jane', 'P-1'],
    [`PatientName=${encodeURIComponent('гусева*')}`, 'P-3'],
    [`PatientName=${encodeURIComponent('山田^太郎')}`, 'P-3'],
    [`PatientName=${encodeURIComponent('山田*')}`, 'P-3'],
    ['PatientName=doe', ''],
    ['ReferringPhysicianName=house*&PatientID=P-2', 'P-2'],
    ['AccessionNumber=A-1', 'P-1'],
    ['AccessionNumber=a-1', 'P-2'],
    ['AccessionNumber=A*', 'P-1 P-3'],
    ['StudyDescription=HEAD+[1]', 'P-2'],
    ['StudyDescription=HEAD%20%5B1%5D', 'P-2'],
    ['StudyDescription=HEAD*', 'P-2'],
    ['StudyDescription=*[1]', 'P-2'],
    ['StudyDescription=HEAD%25', ''],
    ['StudyDescription=HEA_*', ''],
    ['StudyDate=20240115', 'P-1'],
    ['StudyDate=20240101-20240201', 'P-1'],
    ['StudyDate=20240115-20240301', 'P-1 P-2'],
    ['StudyDate=-20240114', 'P-3'],
    ['StudyDate=20240116-', 'P-2'],
    ['StudyTime=1030', 'P-1'],
    ['StudyTime=10', 'P-1'],
    ['StudyTime=1000-1100', 'P-1'],
    ['StudyTime=0800-103000', 'P-1 P-3'],
    ['StudyTime=2300-', 'P-2'],
    ['StudyDate=20240101-20241231&StudyTime=2300-2359', 'P-2'],
    [`StudyInstanceUID=${STUDY}`, 'P-1'],
    [`StudyInstanceUID=${STUDY},${MR_STUDY}`, 'P-1 P-2'],
    [`StudyInstanceUID=${STUDY}%2C${MR_STUDY}`, 'P-1 P-2'],
    [`StudyInstanceUID=${STUDY}%5C${GUSEVA}`, 'P-1 P-3'],
    ['StudyInstanceUID=', 'P-1 P-2 P-3'],
    ['StudyInstanceUID=*', 'P-1 P-2 P-3'],
    ['ModalitiesInStudy=PT', 'P-1'],
    ['ModalitiesInStudy=CT', 'P-1 P-3'],
    ['ModalitiesInStudy=MR%5CPT', 'P-1 P-2'],
    ['ModalitiesInStudy=P*', 'P-1'],
    ['Modality=PT', 'P-1'],
    ['SeriesNumber=2', 'P-1'],
    ['SOPClassUID=1.2.840.10008.5.1.4.1.1.128', 'P-1'],
    ['PatientSex=F&PatientBirthDate=19700101&StudyID=S1&Modality=MR', 'P-2'],
  ];
  for (const [query, expected] of table) assert.equal(await ids(service, query), expected, query);
});

test('DW-72 what is not understood is refused by name, never ignored', async (t) => {
  const service = await filled(t);
  const table: readonly [string, RegExp][] = [
    ['PatientIdentity=P-1', /PatientIdentity/],
    ['00100099=1', /00100099/],
    ['patientid=P-1', /patientid/],
    ['RequestAttributesSequence.ScheduledProcedureStepID=SPS-1', /RequestAttributesSequence.ScheduledProcedureStepID/],
    ['PatientID=P-1&PatientID=P-2', /PatientID/],
    ['StudyDate=2024', /date or time/],
    ['StudyDate=20240101-20240201-20240301', /date or time/],
    ['StudyDate=-', /range/],
    ['StudyTime=9', /date or time/],
    ['StudyInstanceUID=1.02.3', /UID/],
    ['StudyInstanceUID=1.2.3;DROP', /UID/],
    ['SeriesNumber=first', /whole number/],
    ['limit=ten', /limit/],
    ['limit=-1', /limit/],
    ['offset=1.5', /offset/],
    ['includefield=NoSuchAttribute', /NoSuchAttribute/],
    ['includefield=00100010.Nothing', /Nothing/],
    ['fuzzymatching=maybe', /fuzzymatching/],
    ['%3Cscript%3E=1', /\?script\?/],
    ['__proto__=1', /proto/],
    ['constructor=1', /constructor/],
  ];
  for (const [query, message] of table) {
    const response = await service.ask(`/studies?${query}`);
    assert.equal(response.status, 400, query);
    assert.match(((await response.json()) as { message: string }).message, message, query);
  }
});

test('DW-71 nothing found is 200 and an empty list, hidden studies too', async (t) => {
  const service = await filled(t);
  for (const path of [
    '/studies?PatientID=P-9',
    '/series?StudyInstanceUID=1.2.3',
    '/studies/1.2.3/series',
    '/studies/1.2.3/instances',
  ])
    assert.deepEqual(await service.rows(path), []);
  service.hidden.push(service.events[0]!.access!.patient);
  assert.deepEqual(await service.rows(`/studies/${STUDY}/series`), []);
  assert.deepEqual(await service.rows(`/studies?StudyInstanceUID=${STUDY}`), []);
});

test('DW-79 a study row', async (t) => {
  const service = await filled(t);
  const [row] = await service.rows('/studies?PatientID=P-1');
  assert.equal(one(row, '00081190'), `${ROOT}/studies/${STUDY}`);
  assert.deepEqual(row!['00080061'], { vr: 'CS', Value: ['CT', 'PT'] });
  assert.deepEqual(row!['00201206'], { vr: 'IS', Value: [2] });
  assert.deepEqual(row!['00201208'], { vr: 'IS', Value: [3] });
  assert.deepEqual(row!['00100010'], { vr: 'PN', Value: [{ Alphabetic: 'DOE^JANE' }] });
  assert.equal(one(row, '00080056'), 'ONLINE');
  for (const tag of ['00080020', '00080030', '00080050', '00080090', '00081030', '00100030', '00100040', '00200010', '0020000D'])
    assert.ok(one(row, tag) !== undefined, tag);
  assert.equal(row!['00080060'], undefined);
  const [guseva] = await service.rows('/studies?PatientID=P-3');
  assert.deepEqual(guseva!['00081030'], { vr: 'LO' }, 'empty is told from absent');
  assert.deepEqual(one(guseva, '00100010'), {
    Alphabetic: 'ГУСЕВА^АННА',
    Ideographic: '山田^太郎',
    Phonetic: 'やまだ^たろう',
  });
});

test('DW-79 series and instances carry the attributes of parents that the path does not name', async (t) => {
  const service = await filled(t);
  const [below] = await service.rows(`/studies/${STUDY}/series?SeriesNumber=2`);
  assert.equal(one(below, '00080060'), 'PT');
  assert.equal(one(below, '00081190'), `${ROOT}/studies/${STUDY}/series/${STUDY}.2`);
  assert.deepEqual(below!['00201209'], { vr: 'IS', Value: [1] });
  assert.equal(below!['00100010'], undefined);
  assert.equal((await service.rows(`/studies/${STUDY}/series`)).length, 2);
  const all = await service.rows('/series?Modality=CT&PatientID=P-1');
  assert.equal(all.length, 1);
  assert.equal(one(all[0], '00100020'), 'P-1');
  assert.equal(one(all[0], '0020000D'), STUDY);

  const instances = await service.rows(`/studies/${STUDY}/series/${STUDY}.1/instances`);
  assert.deepEqual(
    instances.map((row) => one(row, '00200013')),
    [1, 2],
  );
  assert.equal(one(instances[1], '00081190'), `${ROOT}/studies/${STUDY}/series/${STUDY}.1/instances/${STUDY}.1.2`);
  assert.equal(one(instances[0], '00080016'), CT);
  assert.equal(one(instances[0], '00083002'), '1.2.840.10008.1.2.1');
  assert.equal(instances[0]!['0020000D'], undefined);
  const inStudy = await service.rows(`/studies/${STUDY}/instances?SOPClassUID=${CT}`);
  assert.equal(inStudy.length, 2);
  assert.equal(one(inStudy[0], '0020000E'), `${STUDY}.1`);
  const everywhere = await service.rows('/instances?PatientID=P-2');
  assert.equal(one(everywhere[0], '00100020'), 'P-2');
  assert.equal(one(everywhere[0], '00080060'), 'MR');
});

test('DW-43 DW-71 attributes stand in ascending order', async (t) => {
  const service = await filled(t);
  for (const path of ['/studies?includefield=00080005', '/series', '/instances?includefield=all']) {
    const text = await (await service.ask(path)).text();
    // Tags like 20100010 would go first if a JavaScript object made the order.
    for (const row of text.split('},{"0')) {
      const tags = [...row.matchAll(/"([0-9A-F]{8})":\{"vr"/g)].map((match) => match[1]!);
      const top = tags.filter((tag) => tag !== '00400009' && tag !== '00401001');
      assert.deepEqual(top, [...top].sort(), path);
    }
  }
});

test('DW-80 includefield: lists, repeats, keywords, sequences, all', async (t) => {
  const service = await filled(t);
  const field = async (path: string, tag: string) => (await service.rows(path))[0]?.[tag];
  const mr = `PatientID=P-2`;
  assert.equal(await field(`/studies?${mr}`, '00080080'), undefined);
  for (const name of [
    'InstitutionName',
    '00080080',
    '00081030%2C00080080',
    'StudyDescription&includefield=InstitutionName',
    'all',
  ])
    assert.deepEqual((await field(`/studies?${mr}&includefield=${name}`, '00080080'))?.Value, ['NORTH'], name);
  assert.equal(await field(`/studies?${mr}&includefield=Rows`, '00280010'), undefined, 'no instance attribute of a study');
  assert.equal(await field(`/studies?${mr}&includefield=all`, '7FE00010'), undefined);
  assert.deepEqual((await field(`/instances?${mr}&includefield=PixelRepresentation`, '00280103'))?.Value, [0]);
  assert.equal(await field(`/instances?${mr}&includefield=all`, '7FE00010'), undefined, 'no pixel data');
  for (const name of ['RequestAttributesSequence', '00400275.00400009']) {
    const sequence = await field(`/studies/${STUDY}/series?SeriesNumber=2&includefield=${name}`, '00400275');
    assert.deepEqual((sequence!.Value as Row[])[0]!['00400009']?.Value, ['SPS-1']);
    assert.deepEqual((sequence!.Value as Row[])[0]!['00401001']?.Value, ['RP-1']);
  }
});

test('DW-80 a private attribute is asked for with its creator', () => {
  const asked = (field: string) =>
    parseQuery('instance', { study: undefined, series: undefined }, new URLSearchParams({ includefield: field })).includeFields;
  assert.deepEqual(asked('00091010'), new Set(['00090010', '00091010']));
  assert.deepEqual(asked('00090010,00101010'), new Set(['00090010', '00101010']));
});

test('DW-78 limit and offset page in a stable order and tell of more', async (t) => {
  const service = await filled(t);
  const seen: unknown[] = [];
  for (let offset = 0; offset < 3; offset++) {
    const response = await service.ask(`/studies?limit=1&offset=${offset}`);
    const more = response.headers.get('warning');
    assert.equal(more, offset < 2 ? '299 isthmus: "There are additional results that can be requested"' : null);
    seen.push(one(((await response.json()) as Row[])[0], '00100020'));
  }
  assert.deepEqual(seen, ['P-2', 'P-1', 'P-3']);
  assert.deepEqual(await service.rows('/studies?limit=0'), []);
  assert.deepEqual(await service.rows('/studies?offset=3'), []);
  assert.equal((await service.rows('/studies?limit=999999999')).length, 3);
});

test('DW-77 ways of matching that are not offered are answered literally, and said so', async (t) => {
  const service = await filled(t);
  const asked = await service.ask('/studies?fuzzymatching=true&emptyvaluematching=true&PatientName=doh*');
  assert.equal(asked.status, 200);
  assert.match(asked.headers.get('warning')!, /fuzzymatching parameter is not supported.*emptyvaluematching/);
  assert.deepEqual(await asked.json(), []);
  assert.equal((await service.ask('/studies?fuzzymatching=false')).headers.get('warning'), null);
});

test('DW-22 DW-10 DW-9 media types', async (t) => {
  const service = await filled(t);
  for (const accept of ['application/json', 'application/dicom+json', 'toto, application/dicom+json', '*/*']) {
    const response = await service.ask('/studies', { accept });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'application/dicom+json');
  }
  assert.equal((await service.ask('/studies?accept=application/dicom+json', { accept: 'text/html' })).status, 200);
  assert.equal((await service.ask('/studies', { accept: 'multipart/related; type="application/dicom+xml"' })).status, 406);
});

test('DW-81 what consent or scope hides is neither shown nor counted', async (t) => {
  const service = await filled(t);
  const patients = new Map(service.events.map(({ access }) => [access!.accession, access!.patient]));
  service.hidden.push(patients.get('a-1')!);
  const response = await service.ask('/studies?limit=2');
  assert.equal(response.headers.get('warning'), null);
  assert.equal(((await response.json()) as Row[]).length, 2);
  assert.equal((await service.rows('/instances')).length, 4);
  const own = await service.rows('/studies', `patient~${patients.get('A-1')!}`);
  assert.deepEqual(
    own.map((row) => one(row, '00100020')),
    ['P-1'],
  );
  assert.deepEqual(await service.rows('/studies', 'patient~somebody-else'), []);
});

test('AU-16 a query leaves one record with every study that it named', async (t) => {
  const service = await filled(t);
  service.events.length = 0;
  await service.rows('/instances');
  assert.equal(service.events.length, 1);
  const [{ verb, request, found }] = service.events as [(typeof service.events)[number]];
  assert.equal(verb, 'queried');
  assert.equal(request.route, '/instances');
  assert.deepEqual(
    found!.map(({ studyInstanceUid, instanceCount }) => [studyInstanceUid, instanceCount]),
    [
      [MR_STUDY, 1],
      [STUDY, 3],
      [GUSEVA, 1],
    ],
  );
  assert.equal(found![1]!.sopClasses.length, 2);
});

test('DW-80 the requests that OHIF makes', async (t) => {
  const service = await filled(t);
  const list = await service.rows(
    '/studies?limit=101&offset=0&fuzzymatching=false&includefield=00081030%2C00080060%2C00080090%2C00100030',
  );
  assert.equal(list.length, 3);
  assert.equal(one(list[1], '00081030'), 'CHEST');
  assert.equal((await service.rows(`/studies?StudyInstanceUID=${STUDY}`)).length, 1);
  assert.equal((await service.rows('/studies?00100020=P-1')).length, 1);
  const series = await service.rows(`/studies/${STUDY}/series?includefield=00080021%2C00080031%2C0008103E%2C00200011`);
  assert.equal(one(series[0], '0008103E'), 'AXIAL');
});

test('SM-1 only a token that may search searches', async (t) => {
  const service = await filled(t);
  assert.equal((await service.ask('/studies', { token: 'search' })).status, 200);
  for (const token of ['read', 'create', 'other']) assert.equal((await service.ask('/studies', { token })).status, 403);
  assert.equal((await service.ask('/studies', { token: '' })).status, 401);
});
