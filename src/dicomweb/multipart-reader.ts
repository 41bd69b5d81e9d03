import { Fault } from '../kernel/fault.ts';

export interface Part {
  /** lower-case names */
  readonly headers: ReadonlyMap<string, string>;
  /** what is left of it unread when the next part is asked for is skipped */
  readonly body: AsyncIterable<Buffer>;
}

const MAX_PART_HEADER = 16 * 1024;
/** RFC 2046 §5.1.1 */
const MAX_BOUNDARY = 70;
/** blanks that may follow a boundary on its line */
const MAX_PADDING = 256;
const CR = 13;
const LF = 10;
const DASH = 0x2d;

/** Index in `bytes` from which its tail could be the beginning of `delimiter`; -1 when it can not. */
const partialEnd = (bytes: Buffer, delimiter: Buffer): number => {
  let at = bytes.indexOf(CR, Math.max(0, bytes.length - delimiter.length + 1));
  while (at >= 0) {
    if (delimiter.compare(bytes, at, bytes.length, 0, bytes.length - at) === 0) return at;
    at = bytes.indexOf(CR, at + 1);
  }
  return -1;
};

type LineKind = 'next' | 'close' | 'data' | 'short';

/** What the text after a delimiter makes of it: only a line of its own ends a part. `end` = first byte behind that line. */
const lineAfter = (bytes: Buffer): { kind: LineKind; end: number } => {
  if (bytes[0] === DASH) {
    if (bytes.length < 2) return { kind: 'short', end: 0 };
    return bytes[1] === DASH ? { kind: 'close', end: 2 } : { kind: 'data', end: 0 };
  }
  for (let at = 0; at < Math.min(bytes.length, MAX_PADDING); at++) {
    const byte = bytes[at];
    if (byte === LF) return { kind: 'next', end: at + 1 };
    const isLineEnd = byte === CR && (at + 1 === bytes.length || bytes[at + 1] === LF);
    if (!isLineEnd && byte !== 0x20 && byte !== 9) return { kind: 'data', end: 0 };
  }
  return { kind: bytes.length >= MAX_PADDING ? 'data' : 'short', end: 0 };
};

/** Length of the header block with its empty line, in either line end; undefined while that is not there. */
const headerBlock = (bytes: Buffer): { text: number; end: number } | undefined => {
  for (let at = bytes.indexOf(LF), start = 0; at >= 0; start = at + 1, at = bytes.indexOf(LF, start)) {
    const empty = at === start || (at === start + 1 && bytes[start] === CR);
    if (empty) return { text: start, end: at + 1 };
  }
  return undefined;
};

const parseHeaders = (text: string): Map<string, string> => {
  const headers = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const at = line.indexOf(':');
    if (at > 0) headers.set(line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim());
  }
  return headers;
};

const broken = (message: string): Fault => new Fault('malformed', message);

/**
 * Parts of a multipart body as they arrive (RFC 2046 §5.1): slices of the received chunks, nothing collected but part headers.
 * Tolerates a preamble, an epilogue, LF-only part headers and a missing last CRLF; not a missing close delimiter. Bytes that begin
 * like a delimiter and do not end its line are data.
 *
 * @throws Fault `malformed`
 */
export async function* readMultipart(source: AsyncIterable<Buffer>, boundary: string): AsyncGenerator<Part> {
  if (boundary.length > MAX_BOUNDARY) throw broken('The boundary is longer than 70 characters');
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  const input = source[Symbol.asyncIterator]();
  // A body may begin with its first delimiter: the CRLF before it is then not there.
  let held: Buffer = Buffer.from('\r\n', 'latin1');
  let ended = false;
  let inBody = false;
  let closed = false;

  const more = async (): Promise<boolean> => {
    if (ended) return false;
    const next = await input.next();
    if (next.done) {
      ended = true;
      return false;
    }
    held = held.length === 0 ? next.value : Buffer.concat([held, next.value]);
    return true;
  };

  const take = (length: number): Buffer => {
    const taken = held.subarray(0, length);
    held = held.subarray(length);
    return taken;
  };

  /** Reads behind a delimiter that begins `held`. @returns false when it is none, but data */
  const endsBody = async (): Promise<boolean> => {
    for (;;) {
      const { kind, end } = lineAfter(held.subarray(delimiter.length));
      if (kind === 'data') return false;
      if (kind !== 'short') {
        take(delimiter.length + end);
        closed = kind === 'close';
        inBody = false;
        return true;
      }
      if (!(await more())) throw broken('The multipart body ends before its close delimiter');
    }
  };

  /** Yields bytes up to the next delimiter and consumes it. */
  async function* upToDelimiter(): AsyncGenerator<Buffer> {
    while (inBody) {
      const found = held.indexOf(delimiter);
      if (found >= 0) {
        if (found > 0) yield take(found);
        if (!(await endsBody())) yield take(delimiter.length);
        continue;
      }
      const keep = partialEnd(held, delimiter);
      const safe = take(keep < 0 ? held.length : keep);
      if (safe.length > 0) yield safe;
      if (!(await more())) throw broken('The multipart body ends before its close delimiter');
    }
  }

  const headers = async (): Promise<Map<string, string>> => {
    for (;;) {
      const block = headerBlock(held);
      if (block && block.end <= MAX_PART_HEADER) return parseHeaders(take(block.end).toString('latin1', 0, block.text));
      if (block || held.length > MAX_PART_HEADER) throw broken('The header of a part is too long');
      if (!(await more())) throw broken('The multipart body ends within the header of a part');
    }
  };

  try {
    inBody = true;
    for await (const _ of upToDelimiter());
    while (!closed) {
      const part = { headers: await headers(), body: upToDelimiter() };
      inBody = true;
      yield part;
      // What the consumer left unread is not the next part.
      for await (const _ of upToDelimiter());
    }
    // The epilogue is read so that the connection can be used again.
    do held = Buffer.alloc(0);
    while (await more());
  } finally {
    await input.return?.();
  }
}
