import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bundle, DiagnosticReport, Observation, Task } from 'fhir/r4';
import { asOperator } from '../src/compose/operator.ts';
import { startServer } from '../src/compose/server.ts';
import { writePart10 } from '../src/dicom/write.ts';
import { loadConfig } from '../src/kernel/config.ts';
import { createLog } from '../src/kernel/log.ts';
import { addClient } from '../src/smart/clients.ts';
import { createBackend, stow } from './client.ts';
import { chestPhantom } from './phantom.ts';

const WAIT_MS = 120_000;
const SCOPE = 'system/*.cruds';

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer().once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });

/** Shows the whole way of a study on an empty data folder; serves on unless `--exit` is given. */
const demo = async (exit: boolean): Promise<void> => {
  const data = await mkdtemp(join(tmpdir(), 'isthmus-demo-'));
  const env = {
    ISTHMUS_LISTEN: `127.0.0.1:${(await isFree(8080)) ? 8080 : 0}`,
    ISTHMUS_QUIET_PERIOD_MS: '1000',
    ISTHMUS_LOG_LEVEL: 'warn',
    ...process.env,
    ISTHMUS_DATA: data,
  };
  const { config } = loadConfig(env, join(data, 'isthmus.config.json'));
  const server = await startServer(config, createLog(config.logLevel));
  say(`1. server started at ${server.baseUrl}, empty data folder ${data}`);
  try {
    await walk(server.baseUrl, config);
  } catch (error) {
    await server.stop();
    throw error;
  }
  const stop = async (): Promise<void> => {
    await server.stop();
    await rm(data, { recursive: true, force: true });
  };
  if (exit) return stop();
  say('\nServing on. End with Ctrl-C; the demo data is then removed.');
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop().then(() => process.exit(0)));
};

const walk = async (baseUrl: string, config: Parameters<typeof asOperator>[0]): Promise<void> => {
  const backend = await createBackend('demo-pacs');
  await asOperator(config, async ({ grants, act }) => {
    await act('client-added');
    await addClient(grants, { id: backend.id, scope: SCOPE, jwks: backend.publicKeys });
  });
  const token = await backend.token(baseUrl, SCOPE);
  say('2. token obtained by client_credentials with private_key_jwt');
  const phantom = chestPhantom({ slices: 120, size: 256, emphysemaShare: 0.12, seed: `demo-${Date.now()}`, patientId: 'DEMO-1' });
  const sent = await stow(baseUrl, token, phantom.datasets.map(writePart10));
  if (sent.status !== 200) throw new Error(`STOW-RS answered ${sent.status}`);
  say(`3. chest CT phantom of ${phantom.datasets.length} slices stored by STOW-RS`);
  const get = async <T>(path: string): Promise<T> => {
    const response = await fetch(`${baseUrl}${path}`, { headers: { Authorization: `Bearer ${token}` } });
    if (!response.ok) throw new Error(`GET answered ${response.status}`);
    return (await response.json()) as T;
  };
  const report = await awaitReport(get);
  say('4. AI job done; measured against what the generator knows:');
  const observations = await get<Bundle<Observation>>(
    `/fhir/Observation?_id=${report.result!.map((link) => link.reference!.split('/')[1]).join(',')}`,
  );
  for (const { resource } of observations.entry ?? []) {
    const quantity = resource!.valueQuantity!;
    const known =
      resource!.code.coding![0]!.code === 'LAA950'
        ? `   (known: ${phantom.truth.laa950.toFixed(2)})`
        : resource!.code.text === 'Volume'
          ? `   (known: ${phantom.truth.lungVolumeMl.toFixed(0)})`
          : '';
    say(`     ${resource!.code.text?.padEnd(40)} ${quantity.value!.toFixed(2).padStart(9)} ${quantity.unit}${known}`);
  }
  const sr = report.identifier![0]!.value!.replace('urn:oid:', '');
  say(`5. where it is (another token: ISTHMUS_DATA=${config.data} npx isthmus token --scope "system/*.rs"; the viewer's below lives 5 minutes)
     report   ${baseUrl}/fhir/DiagnosticReport/${report.id}
     SR       ${baseUrl}/dicom-web/instances?SOPInstanceUID=${sr}
     viewer   ${baseUrl}/viewer?StudyInstanceUIDs=${phantom.studyInstanceUid}&token=${token}
     console  ${baseUrl}/`);
};

const awaitReport = async (get: <T>(path: string) => Promise<T>): Promise<DiagnosticReport> => {
  for (const until = Date.now() + WAIT_MS; Date.now() < until; ) {
    const tasks = await get<Bundle<Task>>('/fhir/Task');
    const task = tasks.entry?.[0]?.resource;
    if (task?.status === 'completed') return get<DiagnosticReport>(`/fhir/${task.output![0]!.valueReference!.reference}`);
    if (task?.status === 'failed' || task?.status === 'rejected')
      throw new Error(`the job ended ${task.status}: ${task.statusReason?.text ?? ''}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error('the job did not end in time');
};

try {
  await demo(process.argv.includes('--exit'));
} catch (error) {
  process.stderr.write(`The demo failed: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
