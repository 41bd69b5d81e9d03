import { readFileSync } from 'node:fs';
import express, { type Router } from 'express';
import { createViewer } from './viewer.ts';

interface UiDeps {
  readonly version: string;
  readonly baseUrl: string;
  /** how AI models are kept from the network */
  readonly isolation: 'namespace' | 'permission';
}

const esc = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const HEADERS = {
  'Content-Security-Policy': "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};

const row = (what: string, path: string, note: string): string =>
  `<tr><td>${esc(what)}</td><td><a href="${esc(path)}"><code>${esc(path)}</code></a></td><td>${esc(note)}</td></tr>`;

/** The console's first page: what runs here and where. It shows nothing of any patient. */
const home = ({
  version,
  baseUrl,
  isolation,
}: UiDeps): string => `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Isthmus</title><link rel="stylesheet" href="/assets/isthmus.css"></head><body><main>
<h1>Isthmus <small>${esc(version)}</small></h1>
<p>Imaging on one side, the record on the other. This server is at <code>${esc(baseUrl)}</code>.</p>
<table><thead><tr><th>Service</th><th>Address</th><th></th></tr></thead><tbody>
${row('DICOMweb', '/dicom-web', 'needs a token')}
${row('FHIR R4', '/fhir/metadata', 'capability statement, open')}
${row('SMART discovery', '/fhir/.well-known/smart-configuration', 'open')}
${row('Viewer', '/viewer', 'OHIF; the address carries a token')}
${row('Health', '/readyz', 'open')}
${row('Metrics', '/metrics', 'open')}
</tbody></table>
<h2>AI</h2><p>Models run in a process of their own${isolation === 'namespace' ? ', without any network' : '; network is closed by permission flags only, since this system has no user namespaces'}.</p>
<p class="quiet-text">Isthmus is not a medical device. Results of models are preliminary until a person has signed them.</p>
</main></body></html>`;

export const createUi = (deps: UiDeps): Router => {
  const router = express.Router();
  const css = readFileSync(new URL('./assets/isthmus.css', import.meta.url), 'utf8');
  router.get(
    '/assets/isthmus.css',
    (_request, response) => void response.set('Cache-Control', 'public, max-age=3600').type('css').send(css),
  );
  router.use('/viewer', createViewer());
  router.get('/', (_request, response) => void response.set(HEADERS).type('html').send(home(deps)));
  return router;
};
