import { createPublicKey } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { detailPath, readRecords, segmentsOf } from '../audit/segments.ts';
import { verifyLog } from '../audit/verify.ts';
import { type Command, type Io, UsageError } from './command.ts';

const help = `isthmus audit verify [--dir DIR] [--key FILE] [--since FILE] [--json]
isthmus audit show [--dir DIR] [--last N] [--json]

verify recomputes the Merkle tree of the audit log and holds it against every signed
checkpoint. It ends with status 0, or 1 with the first entry that is not as it was signed.

  --dir DIR     audit folder (default: audit in the data folder)
  --key FILE    public key (default: keys/audit-ed25519.pub.pem in the data folder)
  --since FILE  a checkpoint kept elsewhere: shows a log that was rolled back
  --last N      how many events to show (default 20)

Examples
  isthmus audit verify
  isthmus audit verify --since /mnt/witness/checkpoint --json
  isthmus audit show --last 5
`;

/** Each server and the command line write a log of their own below the audit folder. */
const logsOf = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name)
        .sort()
    : [];

interface Options {
  readonly dir?: string | undefined;
  readonly key?: string | undefined;
  readonly since?: string | undefined;
  readonly last?: string | undefined;
  readonly json?: boolean | undefined;
}

const verify = async (options: Options, io: Io): Promise<number> => {
  const folder = options.dir ?? join(io.config.data, 'audit');
  const key = createPublicKey(readFileSync(options.key ?? join(io.config.data, 'keys', 'audit-ed25519.pub.pem')));
  const since = options.since === undefined ? undefined : readFileSync(options.since, 'utf8');
  const logs = logsOf(folder);
  if (logs.length === 0) throw new UsageError(`there is no audit log in ${folder}`);
  let failed = false;
  const results: Record<string, unknown> = {};
  for (const log of logs) {
    // A checkpoint names its log in its first line.
    const verdict = await verifyLog(join(folder, log), key, {
      since: since?.split('\n')[0]?.endsWith(`/${log}`) ? since : undefined,
    });
    results[log] = verdict;
    failed ||= !verdict.ok;
    if (!options.json)
      io.out(
        verdict.ok
          ? `${log}: ${verdict.size} events, ${verdict.checkpoints} checkpoints, root ${verdict.root}: verified`
          : `${log}: BROKEN at event ${verdict.index}: ${verdict.reason}`,
      );
  }
  if (options.json) io.out(JSON.stringify(results));
  return failed ? 1 : 0;
};

const show = async (options: Options, io: Io): Promise<number> => {
  const folder = options.dir ?? join(io.config.data, 'audit');
  const last = Number(options.last ?? 20);
  if (!Number.isInteger(last) || last < 1) throw new UsageError('--last takes a whole number');
  for (const log of logsOf(folder)) {
    const first = (await segmentsOf(join(folder, log))).at(-1);
    if (first === undefined) continue;
    const events: string[] = [];
    for await (const { entry } of readRecords(detailPath(join(folder, log), first))) {
      events.push((JSON.parse(entry.toString('utf8')) as { event: string | null }).event ?? '{"erased":true}');
      if (events.length > last) events.shift();
    }
    for (const event of events) io.out(options.json ? event : `${log} ${summary(event)}`);
  }
  return 0;
};

const summary = (text: string): string => {
  const event = JSON.parse(text) as {
    recorded?: string;
    type?: { display?: string };
    subtype?: { code?: string }[];
    action?: string;
    outcome?: string;
    outcomeDesc?: string;
  };
  return [
    event.recorded,
    event.action,
    event.type?.display,
    event.subtype?.map((subtype) => subtype.code).join(','),
    event.outcome === '0' ? 'success' : `refused (${event.outcomeDesc ?? event.outcome})`,
  ].join('  ');
};

export const audit: Command = {
  name: 'audit',
  summary: 'verify or show the audit log',
  help,
  run: async (args, io) => {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        dir: { type: 'string' },
        key: { type: 'string' },
        since: { type: 'string' },
        last: { type: 'string' },
        json: { type: 'boolean' },
      },
    });
    if (positionals[0] === 'verify') return verify(values, io);
    if (positionals[0] === 'show') return show(values, io);
    throw new UsageError('audit takes verify or show');
  },
};
