import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { asOperator } from '../compose/operator.ts';
import { addClient } from '../smart/clients.ts';
import { type Command, type Io, UsageError } from './command.ts';

const help = `isthmus client add --id ID --scope SCOPES --jwks FILE|URL [--purpose CODE]
isthmus client add --id ID --scope SCOPES --redirect-uri URI [--redirect-uri URI] [--name NAME]
isthmus client add-account --id NAME --fhir-user Practitioner/ID [--name NAME] [--patients all|ID,ID]
isthmus client list [--json]

add         registers a backend service (private_key_jwt) or, with --redirect-uri, an app with users
add-account makes an account for people who sign in; its password is printed once

Examples
  npx isthmus client add --id mirth --scope "system/*.rs" --jwks mirth.jwks.json
  npx isthmus client add --id viewer --scope "launch/patient patient/*.rs openid fhirUser" --redirect-uri http://localhost:3000/
  npx isthmus client add-account --id dr.a --fhir-user Practitioner/dr-a
`;

const ACT_REASON = 'http://terminology.hl7.org/CodeSystem/v3-ActReason';

const OPTIONS = {
  id: { type: 'string' },
  scope: { type: 'string' },
  jwks: { type: 'string' },
  purpose: { type: 'string' },
  name: { type: 'string' },
  'redirect-uri': { type: 'string', multiple: true },
  'fhir-user': { type: 'string' },
  patients: { type: 'string' },
  json: { type: 'boolean' },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];

const add = async (values: Values, io: Io): Promise<number> => {
  if (values.id === undefined || values.scope === undefined) throw new UsageError('--id and --scope are needed');
  const isUrl = values.jwks !== undefined && /^https?:\/\//.test(values.jwks);
  const client = {
    id: values.id,
    name: values.name,
    scope: values.scope,
    redirectUris: values['redirect-uri'],
    jwks: values.jwks !== undefined && !isUrl ? (JSON.parse(readFileSync(values.jwks, 'utf8')) as { keys: object[] }) : undefined,
    jwksUri: isUrl ? values.jwks : undefined,
    purposes: values.purpose === undefined ? undefined : `${ACT_REASON}|${values.purpose}`,
  };
  return asOperator(io.config, async ({ grants, act }) => {
    await act('client-added');
    await addClient(grants, client);
    io.out(values.json ? JSON.stringify({ client_id: client.id }) : `client ${client.id} may ask for: ${client.scope}`);
    return 0;
  });
};

const addAccount = async (values: Values, io: Io): Promise<number> => {
  const [id, fhirUser] = [values.id, values['fhir-user']];
  if (id === undefined || fhirUser === undefined) throw new UsageError('--id and --fhir-user are needed');
  if (!/^(Practitioner|PractitionerRole|Patient|RelatedPerson|Person)\/[A-Za-z0-9\-.]{1,64}$/.test(fhirUser))
    throw new UsageError('--fhir-user is a reference such as Practitioner/dr-a');
  const password = randomBytes(12).toString('base64url');
  const patients = values.patients === undefined || values.patients === 'all' ? undefined : values.patients.split(',');
  return asOperator(io.config, async ({ accounts, act }) => {
    await act('account-added');
    await accounts.add({ id, name: values.name ?? id, fhirUser, patients }, password);
    io.out(values.json ? JSON.stringify({ id, password }) : `account ${id}, password ${password} (shown once)`);
    return 0;
  });
};

const list = (values: Values, io: Io): Promise<number> =>
  asOperator(io.config, async ({ grants }) => {
    const clients = (await grants.list('Client')).map((client) => ({
      id: client.client_id,
      name: client.client_name,
      scope: client.smart_scopes ?? '',
    }));
    if (values.json) io.out(JSON.stringify(clients));
    else for (const client of clients) io.out(`${client.id}\t${client.scope}`);
    return 0;
  });

export const client: Command = {
  name: 'client',
  summary: 'register clients and accounts',
  help,
  run: async (args, io) => {
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
    if (positionals[0] === 'add') return add(values, io);
    if (positionals[0] === 'add-account') return addAccount(values, io);
    if (positionals[0] === 'list') return list(values, io);
    throw new UsageError('client takes add, add-account or list');
  },
};
