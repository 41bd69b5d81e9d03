/** One element of a hand-made object: tag, VR, value; `null` = the value follows with undefined length and closes itself. */
export type Element = readonly [tag: number, vr: string, value: Buffer | string, undefinedLength?: boolean];

interface Form {
  readonly syntax: string;
  readonly implicit?: boolean;
  readonly bigEndian?: boolean;
}

const LONG = new Set(['OB', 'OW', 'SQ', 'UN', 'UT']);

const bytesOf = (vr: string, value: Buffer | string): Buffer => {
  if (Buffer.isBuffer(value)) return value;
  const pad = value.length % 2 === 0 ? '' : vr === 'UI' ? '\0' : ' ';
  return Buffer.from(value + pad, 'latin1');
};

const encode = ([tag, vr, value, undefinedLength]: Element, { implicit, bigEndian }: Omit<Form, 'syntax'>): Buffer => {
  const body = bytesOf(vr, value);
  const length = undefinedLength ? 0xffffffff : body.length;
  const head = Buffer.alloc(!implicit && LONG.has(vr) ? 12 : 8);
  const u16 = (number: number, at: number) => (bigEndian ? head.writeUInt16BE(number, at) : head.writeUInt16LE(number, at));
  const u32 = (number: number, at: number) => (bigEndian ? head.writeUInt32BE(number, at) : head.writeUInt32LE(number, at));
  u16(tag >>> 16, 0);
  u16(tag & 0xffff, 2);
  if (implicit) u32(length, 4);
  else {
    head.write(vr, 4, 'latin1');
    if (LONG.has(vr)) u32(length, 8);
    else u16(length, 6);
  }
  return Buffer.concat([head, body]);
};

/** Items or fragments in Explicit VR Little Endian, closed by a delimiter. */
export const sequence = (...items: readonly Buffer[]): Buffer => {
  const item = (tag: number, body: Buffer): Buffer => {
    const head = Buffer.alloc(8);
    head.writeUInt16LE(0xfffe, 0);
    head.writeUInt16LE(tag, 2);
    head.writeUInt32LE(body.length, 4);
    return Buffer.concat([head, body]);
  };
  return Buffer.concat([...items.map((body) => item(0xe000, body)), item(0xe0dd, Buffer.alloc(0))]);
};

export const elements = (list: readonly Element[], form: Omit<Form, 'syntax'> = {}): Buffer =>
  Buffer.concat(list.map((element) => encode(element, form)));

export const us = (value: number, bigEndian = false): Buffer => {
  const bytes = Buffer.alloc(2);
  if (bigEndian) bytes.writeUInt16BE(value);
  else bytes.writeUInt16LE(value);
  return bytes;
};

/** A Part 10 object in any transfer syntax; identity comes first, `rest` is in ascending order above group 0008. */
export const object = (form: Form, identity: { study: string; number: number }, rest: readonly Element[]): Buffer => {
  const { study, number } = identity;
  const meta = elements([
    [0x00020002, 'UI', '1.2.840.10008.5.1.4.1.1.7'],
    [0x00020003, 'UI', `${study}.1.${number}`],
    [0x00020010, 'UI', form.syntax],
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(meta.length);
  const dataset: Element[] = [
    [0x00080016, 'UI', '1.2.840.10008.5.1.4.1.1.7'],
    [0x00080018, 'UI', `${study}.1.${number}`],
    [0x00080060, 'CS', 'OT'],
    [0x00100010, 'PN', 'DOE^JANE'],
    [0x00100020, 'LO', 'P-1'],
    [0x0020000d, 'UI', study],
    [0x0020000e, 'UI', `${study}.1`],
    [0x00200013, 'IS', String(number)],
    ...rest,
  ];
  return Buffer.concat([
    Buffer.alloc(128),
    Buffer.from('DICM'),
    elements([[0x00020000, 'UL', length]]),
    meta,
    elements(dataset, form),
  ]);
};
