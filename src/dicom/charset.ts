/** Text of one value in the character sets an object declares. @param vr decides whether `^` and `=` end a code extension */
export type DecodeText = (bytes: Buffer, vr: string) => string;

/** Single-byte and multi-byte sets without code extensions (PS3.3 §C.12.1.1.2), as WHATWG labels. */
const LABELS: Readonly<Record<string, string>> = {
  '': 'latin1',
  'ISO_IR 6': 'latin1',
  'ISO_IR 13': 'shift_jis',
  'ISO_IR 100': 'latin1',
  'ISO_IR 101': 'iso-8859-2',
  'ISO_IR 109': 'iso-8859-3',
  'ISO_IR 110': 'iso-8859-4',
  'ISO_IR 126': 'iso-8859-7',
  'ISO_IR 127': 'iso-8859-6',
  'ISO_IR 138': 'iso-8859-8',
  'ISO_IR 144': 'iso-8859-5',
  'ISO_IR 148': 'windows-1254',
  'ISO_IR 166': 'windows-874',
  'ISO_IR 192': 'utf-8',
  'ISO_IR 203': 'iso-8859-15',
  GB18030: 'gb18030',
  GBK: 'gbk',
};

/** Escape sequences (PS3.3 tables C.12-3, C.12-4): bytes after ESC → how the following bytes are read. */
const ESCAPES: readonly { readonly sequence: string; readonly label: string; readonly g0?: boolean; readonly euc?: boolean }[] = [
  { sequence: '(B', label: 'latin1', g0: true },
  { sequence: '(J', label: 'shift_jis', g0: true },
  { sequence: ')I', label: 'shift_jis' },
  { sequence: '-A', label: 'latin1' },
  { sequence: '-B', label: 'iso-8859-2' },
  { sequence: '-C', label: 'iso-8859-3' },
  { sequence: '-D', label: 'iso-8859-4' },
  { sequence: '-L', label: 'iso-8859-5' },
  { sequence: '-G', label: 'iso-8859-6' },
  { sequence: '-F', label: 'iso-8859-7' },
  { sequence: '-H', label: 'iso-8859-8' },
  { sequence: '-M', label: 'windows-1254' },
  { sequence: '-T', label: 'windows-874' },
  { sequence: '-b', label: 'iso-8859-15' },
  { sequence: '$)C', label: 'euc-kr', euc: true },
  { sequence: '$)A', label: 'gbk', euc: true },
  { sequence: '$B', label: 'iso-2022-jp', g0: true },
  { sequence: '$(D', label: 'euc-jp', g0: true },
];

const ESC = 0x1b;

const decoders = new Map<string, TextDecoder>();
const decoderOf = (label: string): TextDecoder => {
  let decoder = decoders.get(label);
  if (!decoder) {
    decoder = new TextDecoder(label);
    decoders.set(label, decoder);
  }
  return decoder;
};

const isAscii = (bytes: Buffer): boolean => {
  for (let at = 0; at < bytes.length; at++) if (bytes[at]! >= 0x80 || bytes[at] === ESC) return false;
  return true;
};

const plain = (label: string): DecodeText =>
  label === 'latin1'
    ? (bytes) => bytes.toString('latin1')
    : (bytes) =>
        isAscii(bytes) ? bytes.toString('latin1') : label === 'shift_jis' ? halfWidth(bytes) : decoderOf(label).decode(bytes);

/** JIS X 0201: 5C and 7E keep their place as separator and tilde; A1–DF are half-width katakana. */
const halfWidth = (bytes: Buffer): string => {
  let text = '';
  for (const byte of bytes)
    text += byte >= 0xa1 && byte <= 0xdf ? String.fromCharCode(0xff61 + byte - 0xa1) : String.fromCharCode(byte);
  return text;
};

/** JIS X 0212 in G0: read as EUC-JP code set 3. */
const supplementaryKanji = (bytes: Buffer): string => {
  const euc: number[] = [];
  for (let at = 0; at + 1 < bytes.length; at += 2) euc.push(0x8f, bytes[at]! | 0x80, bytes[at + 1]! | 0x80);
  return decoderOf('euc-jp').decode(Buffer.from(euc));
};

const segment = (bytes: Buffer, label: string, g0: boolean): string => {
  if (label === 'iso-2022-jp') return decoderOf('iso-2022-jp').decode(Buffer.concat([Buffer.from('\x1b$B', 'latin1'), bytes]));
  if (label === 'euc-jp' && g0) return supplementaryKanji(bytes);
  if (label === 'latin1') return bytes.toString('latin1');
  if (label === 'shift_jis') return halfWidth(bytes);
  return decoderOf(label).decode(bytes);
};

/** Code extensions: an escape switches, a value or name delimiter switches back (PS3.5 §6.1.2.5.3). */
const extended = (initial: string): DecodeText => {
  return (bytes, vr) => {
    if (isAscii(bytes)) return bytes.toString('latin1');
    const resets = vr === 'PN' ? new Set([0x5c, 0x5e, 0x3d, 0x0a, 0x0c, 0x0d]) : new Set([0x5c, 0x0a, 0x0c, 0x0d, 0x09]);
    let text = '';
    let label = initial;
    let doubleByteG0 = false;
    let start = 0;
    const flush = (end: number): void => {
      if (end > start) text += segment(bytes.subarray(start, end), label, doubleByteG0);
    };
    for (let at = 0; at < bytes.length; ) {
      const byte = bytes[at]!;
      if (byte === ESC) {
        flush(at);
        const extension = ESCAPES.find(({ sequence }) => bytes.toString('latin1', at + 1, at + 1 + sequence.length) === sequence);
        label = extension?.label ?? initial;
        doubleByteG0 = label === 'iso-2022-jp' || (label === 'euc-jp' && extension?.g0 === true);
        at += 1 + (extension?.sequence.length ?? 0);
        start = at;
      } else if (!doubleByteG0 && resets.has(byte)) {
        flush(at);
        text += String.fromCharCode(byte);
        at += 1;
        start = at;
        label = initial;
      } else {
        at += doubleByteG0 ? 2 : (label === 'euc-kr' || label === 'gbk') && byte >= 0x80 ? 2 : 1;
      }
    }
    flush(bytes.length);
    return text;
  };
};

const cache = new Map<string, DecodeText>();

/**
 * @param specificCharacterSet values of (0008,0005); an unknown term is read as ISO_IR 100, so that no byte is lost
 */
export const createTextDecoder = (specificCharacterSet: readonly string[]): DecodeText => {
  const key = specificCharacterSet.join('\\');
  let decode = cache.get(key);
  if (!decode) {
    const first = (specificCharacterSet[0] ?? '').trim();
    const extensions = specificCharacterSet.length > 1 || first.startsWith('ISO 2022');
    const label = LABELS[first.replace(/^ISO 2022 IR /, 'ISO_IR ')] ?? 'latin1';
    decode = extensions ? extended(label) : plain(label);
    if (cache.size > 200) cache.clear();
    cache.set(key, decode);
  }
  return decode;
};
