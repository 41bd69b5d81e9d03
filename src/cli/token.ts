import { parseArgs } from 'node:util';
import { asOperator } from '../compose/operator.ts';
import { mintToken } from '../smart/mint.ts';
import { type Command, UsageError } from './command.ts';

const help = `isthmus token --scope SCOPES [--patient ID] [--user Practitioner/ID] [--purpose TREAT] [--ttl 300] [--json]

Prints one access token for the server whose data folder this is. It is an operator's
act and goes on record.

  --scope SCOPES   SMART scopes, v1 or v2, separated by blanks
  --patient ID     patient in context, needed for patient/ scopes
  --user REF       FHIR user the token stands for
  --purpose CODE   purpose of use from v3-ActReason (default TREAT)
  --ttl SECONDS    life of the token, at most 3600 (default 300)

Examples
  npx isthmus token --scope "system/*.cruds"
  curl -H "Authorization: Bearer $(npx isthmus token --scope 'system/ImagingStudy.rs')" \\
       http://127.0.0.1:8080/dicom-web/studies
`;

export const token: Command = {
  name: 'token',
  summary: 'print an access token for this server',
  help,
  run: async (args, io) => {
    const { values } = parseArgs({
      args: [...args],
      options: {
        scope: { type: 'string' },
        patient: { type: 'string' },
        user: { type: 'string' },
        purpose: { type: 'string' },
        ttl: { type: 'string' },
        json: { type: 'boolean' },
      },
    });
    if (values.scope === undefined) throw new UsageError('--scope is needed');
    const ttlSeconds = Number(values.ttl ?? 300);
    if (!Number.isInteger(ttlSeconds)) throw new UsageError('--ttl takes a number of seconds');
    const scope = values.scope;
    return asOperator(io.config, async ({ baseUrl, grants, act }) => {
      await act('token-minted');
      const access = await mintToken(grants, baseUrl, {
        scope,
        patient: values.patient,
        user: values.user,
        purpose: values.purpose,
        ttlSeconds,
      });
      io.out(
        values.json ? JSON.stringify({ access_token: access, token_type: 'Bearer', expires_in: ttlSeconds, scope }) : access,
      );
      return 0;
    });
  },
};
