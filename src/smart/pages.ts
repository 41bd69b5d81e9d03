import type { Scope } from '../access/scopes.ts';
import type { PatientChoice } from './ports.ts';
import { escapeHtml as esc } from './provider.ts';

export const PAGE_HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Cache-Control': 'no-store',
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; form-action 'self' *; frame-ancestors 'none'; base-uri 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};

const page = (title: string, body: string): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${esc(title)}</title><link rel="stylesheet" href="/assets/isthmus.css"></head><body><main class="card"><h1>${esc(title)}</h1>${body}</main></body></html>`;

export const signInPage = (client: string, message = ''): string =>
  page(
    'Sign in',
    `<p>to continue to <strong>${esc(client)}</strong></p>${message ? `<p class="error" role="alert">${esc(message)}</p>` : ''}
<form method="post"><label>User name<input name="username" autocomplete="username" required autofocus></label>
<label>Password<input name="password" type="password" autocomplete="current-password" required></label><button>Sign in</button></form>`,
  );

const VERBS: Readonly<Record<string, string>> = { c: 'create', r: 'read', u: 'change', d: 'delete', s: 'search' };

const inWords = (scope: Scope): string => {
  if (scope.kind !== 'resource') {
    if (scope.raw === 'offline_access') return 'Stay connected when you are away, until you take it back';
    if (scope.raw === 'online_access') return 'Stay connected while you are signed in';
    return scope.raw === 'launch/patient' ? 'Know which patient you choose' : 'Know who you are';
  }
  const what = scope.type === '*' ? 'everything' : scope.type;
  const whose = scope.context === 'patient' ? 'of the chosen patient' : 'you may see';
  return `${[...scope.interactions].map((letter) => VERBS[letter]).join(', ')} ${what} ${whose}${scope.query ? ` (${scope.query})` : ''}`;
};

export interface ConsentPage {
  readonly client: string;
  readonly scopes: readonly Scope[];
  /** undefined = no patient is needed */
  readonly patients: readonly PatientChoice[] | undefined;
}

export const consentPage = ({ client, scopes, patients }: ConsentPage): string =>
  page(
    'Allow access',
    `<form method="post"><p><strong>${esc(client)}</strong> asks for:</p>
${
  patients
    ? `<fieldset><legend>Patient</legend>${patients.length === 0 ? '<p>There is no patient you may choose.</p>' : ''}${patients
        .map(
          (patient) =>
            `<label class="row"><input type="radio" name="patient" value="${esc(patient.id)}" required> ${esc(patient.name)} <small>${esc(patient.birthDate)}</small></label>`,
        )
        .join('')}</fieldset>`
    : ''
}
<fieldset><legend>Access</legend>${scopes.map((scope) => `<label class="row"><input type="checkbox" name="scope" value="${esc(scope.raw)}" checked> ${esc(inWords(scope))} <small>${esc(scope.raw)}</small></label>`).join('')}</fieldset>
<div class="actions"><button name="decision" value="allow">Allow</button><button name="decision" value="deny" class="quiet" formnovalidate>Deny</button></div></form>`,
  );
