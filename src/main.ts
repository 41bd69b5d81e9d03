import { startServer } from './compose/server.ts';
import { ConfigError, loadConfig } from './kernel/config.ts';

try {
  const { config } = loadConfig(process.env);
  const server = await startServer(config);
  const stop = (): void => {
    server.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  process.stderr.write(`Isthmus is at ${server.baseUrl}
  DICOMweb  ${server.baseUrl}/dicom-web
  FHIR      ${server.baseUrl}/fhir
  Data      ${config.data}
  A token:  npx isthmus token --scope "system/*.cruds"
`);
} catch (error) {
  const code = (error as NodeJS.ErrnoException).code;
  const reason =
    error instanceof ConfigError
      ? error.message
      : code === 'EADDRINUSE'
        ? 'ISTHMUS_LISTEN is in use by another program'
        : `${(error as Error).name} ${code ?? ''} ${(error as Error).message}`;
  process.stderr.write(`Isthmus did not start: ${reason}\n`);
  process.exitCode = 1;
}
