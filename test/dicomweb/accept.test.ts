import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceptParameter, negotiate, type Offer, parseAccept, parseMediaType } from '../../src/dicomweb/accept.ts';
import { Fault, type FaultCode } from '../../src/kernel/fault.ts';

const ELE = '1.2.840.10008.1.2.1';
const JPEG = '1.2.840.10008.1.2.4.50';
const objects = (...given: string[]): Offer => ({
  type: 'application/dicom',
  multipart: true,
  syntax: { given, byDefault: ELE },
});
const STUDY = [objects(ELE)];
const COMPRESSED = [objects(JPEG)];
const MIXED = [objects()];
const INSTANCE = [objects(ELE), { ...objects(ELE), multipart: false }];
const JSON_MODEL: Offer[] = [
  { type: 'application/dicom+json', multipart: false },
  { type: 'application/json', multipart: false },
];
const jpegFrame: Offer = { type: 'image/jpeg', multipart: true, syntax: { given: [JPEG], byDefault: JPEG } };
const FRAME = [
  jpegFrame,
  { ...jpegFrame, multipart: false },
  { type: 'application/octet-stream', multipart: true, syntax: { given: [JPEG], byDefault: ELE } },
];
const JLS_FRAME: Offer[] = [
  { type: 'image/jls', multipart: true, syntax: { given: ['1.2.840.10008.1.2.4.80'], byDefault: '1.2.840.10008.1.2.4.80' } },
];

type Outcome = number | FaultCode;
const outcome = (header: string | undefined, query: string | undefined, offers: readonly Offer[]): Outcome => {
  try {
    return offers.indexOf(negotiate(header, query, offers));
  } catch (error) {
    assert.ok(error instanceof Fault);
    return error.code;
  }
};

/** statement, header, query parameter, offers, index of the chosen offer or fault */
const TABLE: readonly [string, string | undefined, string | undefined, readonly Offer[], Outcome][] = [
  ['DW-1 no Accept takes anything', undefined, undefined, STUDY, 0],
  ['DW-1 no Accept takes compressed objects too', undefined, undefined, COMPRESSED, 0],
  ['DW-1 an empty Accept takes nothing', '', undefined, STUDY, 'notAcceptable'],
  ['DW-2 anything', '*/*', undefined, INSTANCE, 0],
  ['DW-2 anything, mixed syntaxes', '*/*', undefined, MIXED, 0],
  ['DW-2 any multipart', 'multipart/*', undefined, MIXED, 0],
  ['DW-2 multipart/related without a type', 'multipart/related', undefined, MIXED, 0],
  ['DW-3 type alone is Explicit VR Little Endian', 'multipart/related; type="application/dicom"', undefined, STUDY, 0],
  ['DW-3 which a compressed one is not', 'multipart/related; type="application/dicom"', undefined, COMPRESSED, 'notAcceptable'],
  ['DW-5 as stored', 'multipart/related; type="application/dicom"; transfer-syntax=*', undefined, COMPRESSED, 0],
  ['DW-5 as stored, quoted', 'multipart/related; type="application/dicom"; transfer-syntax="*"', undefined, MIXED, 0],
  ['DW-6 unquoted type', 'multipart/related;type=application/dicom', undefined, STUDY, 0],
  ['DW-6 spaces around =', 'multipart/related ; type = application/dicom', undefined, STUDY, 0],
  ['DW-6 blank within the quotes', 'multipart/related; type=" application/dicom"', undefined, STUDY, 'notAcceptable'],
  ['DW-6 quote left open', 'multipart/related; type="application/dicom', undefined, STUDY, 'notAcceptable'],
  ['DW-6 quote left open, then a good one', 'application/dicom+json;x="a, */*', undefined, JSON_MODEL, 'notAcceptable'],
  ['DW-7 case', 'Multipart/RELATED; Type="Application/DICOM"; Transfer-Syntax=*', undefined, COMPRESSED, 0],
  ['DW-8 higher q wins', 'application/dicom+json;q=0.2, application/json;q=0.9', undefined, JSON_MODEL, 1],
  ['DW-8 order on a tie', 'application/json, application/dicom+json', undefined, JSON_MODEL, 1],
  ['DW-8 a browser', 'text/html, */*;q=.2', undefined, COMPRESSED, 0],
  [
    'DW-8 a list of syntaxes: the first that can be',
    `multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.90, multipart/related; type="application/dicom"; transfer-syntax=${JPEG};q=0.1`,
    undefined,
    COMPRESSED,
    0,
  ],
  ['DW-8 q=0 refuses', 'application/dicom+json;q=0, */*', undefined, JSON_MODEL, 1],
  ['DW-8 q=0 alone', 'application/json;q=0', undefined, JSON_MODEL, 'notAcceptable'],
  ['DW-8 nothing at all is wanted', '*/*;q=0', undefined, JSON_MODEL, 'notAcceptable'],
  ['DW-8 q that is none', 'application/json;q=high', undefined, JSON_MODEL, 'notAcceptable'],
  ['DW-9 unknown beside known', 'toto, application/dicom+json', undefined, JSON_MODEL, 0],
  ['DW-9 only unknown', 'toto, application/x-unknown', undefined, JSON_MODEL, 'notAcceptable'],
  ['DW-10 parameter before header', 'application/dicom+json', 'application/json', JSON_MODEL, 1],
  ['DW-10 unsupported parameter falls back', 'application/json', 'image/png', JSON_MODEL, 1],
  ['DW-10 unsupported parameter, no header', undefined, 'image/png', JSON_MODEL, 0],
  ['DW-11 mixture', 'application/dicom, image/jpeg', undefined, INSTANCE, 'malformed'],
  ['DW-11 mixture with multipart', 'multipart/related; type="application/dicom", text/html', undefined, STUDY, 'malformed'],
  ['DW-11 a JPEG frame as data is no mixture', 'multipart/related; type="image/jls", image/jpeg', undefined, FRAME, 1],
  ['DW-12 single part of a study', 'application/dicom', undefined, STUDY, 'notAcceptable'],
  ['DW-12 single part of an instance', 'application/dicom', undefined, INSTANCE, 1],
  [
    'DW-14 Implicit VR',
    'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2',
    undefined,
    STUDY,
    'notAcceptable',
  ],
  [
    'DW-14 Big Endian',
    'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.2',
    undefined,
    STUDY,
    'notAcceptable',
  ],
  [
    'DW-16 another syntax',
    `multipart/related; type="application/dicom"; transfer-syntax=${JPEG}`,
    undefined,
    STUDY,
    'notAcceptable',
  ],
  [
    'DW-16 one syntax of a mixture',
    `multipart/related; type="application/dicom"; transfer-syntax=${JPEG}`,
    undefined,
    MIXED,
    'notAcceptable',
  ],
  ['DW-19 octets of a compressed frame', 'multipart/related; type="application/octet-stream"', undefined, FRAME, 'notAcceptable'],
  ['DW-19 octets as stored', 'multipart/related; type="application/octet-stream"; transfer-syntax="*"', undefined, FRAME, 2],
  ['DW-21 old name in the type', 'multipart/related; type="image/x-jls"', undefined, JLS_FRAME, 0],
  ['DW-22 plain JSON', 'application/json', undefined, JSON_MODEL, 1],
  ['DW-22 any application type', 'application/*', undefined, JSON_MODEL, 0],
  ['DW-23 XML is not offered', 'multipart/related; type="application/dicom+xml"', undefined, JSON_MODEL, 'notAcceptable'],
];

for (const [title, header, query, offers, expected] of TABLE)
  test(title, () => {
    assert.equal(outcome(header, query, offers), expected);
  });

test('DW-16 the refusal names what is available', () => {
  assert.throws(
    () => negotiate('image/gif', undefined, COMPRESSED),
    (error: Fault) => error.message.includes(`multipart/related; type="application/dicom"; transfer-syntax=${JPEG}`),
  );
});

test('DW-10 a + in the accept parameter stays a +', () => {
  assert.equal(acceptParameter('/studies?limit=1&accept=application/dicom+json'), 'application/dicom+json');
  assert.equal(acceptParameter('/studies?accept=application%2Fdicom%2Bjson'), 'application/dicom+json');
  assert.equal(acceptParameter('/studies?accept=a/b&accept=c/d'), 'a/b,c/d');
  assert.equal(acceptParameter('/studies?accept=%zz'), undefined);
  assert.equal(acceptParameter('/studies?xaccept=a/b'), undefined);
});

test('DW-25 quoted parameters may hold separators', () => {
  const media = parseMediaType('multipart/related; type="application/dicom"; boundary="a;b, c=\\"d"');
  assert.equal(media?.parameters.get('boundary'), 'a;b, c="d');
  assert.equal(parseAccept('a/b;x="1,2", c/d').length, 2);
});

test('DW-8 a long list costs little', () => {
  const started = performance.now();
  parseAccept('a/b;x="y",'.repeat(1500));
  assert.ok(performance.now() - started < 500);
});
