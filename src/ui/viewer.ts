import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join, normalize } from 'node:path';
import express, { type Router } from 'express';

const MOUNT = '/viewer';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.woff': 'font/woff',
  '.ttf': 'font/ttf',
};

/** The viewer's page has inline scripts of its own and compiles wasm; it may talk to this server only. */
const CSP =
  "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob:; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob: data:; frame-ancestors 'none'; base-uri 'none'";

/** OHIF's configuration: this server and nothing else. */
const appConfig = (): string =>
  `window.config = ${JSON.stringify({
    name: 'isthmus',
    routerBasename: null,
    extensions: [],
    modes: [],
    showStudyList: true,
    showLoadingIndicator: true,
    showWarningMessageForCrossOrigin: false,
    investigationalUseDialog: { option: 'always' },
    defaultDataSourceName: 'isthmus',
    dataSources: [
      {
        namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
        sourceName: 'isthmus',
        configuration: {
          friendlyName: 'Isthmus',
          name: 'isthmus',
          wadoUriRoot: '/dicom-web',
          qidoRoot: '/dicom-web',
          wadoRoot: '/dicom-web',
          qidoSupportsIncludeField: true,
          supportsFuzzyMatching: false,
          supportsWildcard: true,
          imageRendering: 'wadors',
          thumbnailRendering: 'wadors',
          enableStudyLazyLoad: true,
          dicomUploadEnabled: false,
          singlepart: 'bulkdata,video',
          bulkDataURI: { enabled: true },
          omitQuotationForMultipartRequest: false,
        },
      },
    ],
  })};\n`;

/** The prebuilt viewer expects to live at the root: its own paths are moved below ours. */
const moved = (name: string, text: string): string => {
  // Its routes stay as they are: the page of one study is /viewer of its own accord.
  if (name.endsWith('.html')) return text.replace(/(href|src)="\/(?!\/)/g, `$1="${MOUNT}/`);
  if (name.endsWith('.css')) return text.replaceAll('url(/', `url(${MOUNT}/`);
  return text.replaceAll('__webpack_require__.p = "/"', `__webpack_require__.p = "${MOUNT}/"`);
};

/** OHIF at /viewer. Images come by DICOMweb with the token that the address carries (`&token=`); the page itself holds no data. */
export const createViewer = (): Router => {
  const root = join(dirname(createRequire(import.meta.url).resolve('@ohif/app/package.json')), 'dist');
  const texts = new Map<string, Buffer>();
  const read = (name: string): Buffer => {
    const known = texts.get(name);
    if (known) return known;
    const bytes = readFileSync(join(root, name));
    const ready = /\.(html|css|js)$/.test(name) ? Buffer.from(moved(name, bytes.toString('utf8'))) : bytes;
    // Only what had to be changed is worth keeping.
    if (/\.(html|css|js)$/.test(name)) texts.set(name, ready);
    return ready;
  };
  const router = express.Router();
  router.get(
    '/app-config.js',
    (_request, response) => void response.set('Cache-Control', 'no-store').type('text/javascript').send(appConfig()),
  );
  router.use((request, response, next) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return next();
    const name = normalize(decodeURIComponent(request.path)).replace(/^\/+/, '');
    const isFile =
      extname(name) !== '' && !name.startsWith('..') && existsSync(join(root, name)) && statSync(join(root, name)).isFile();
    if (extname(name) !== '' && !isFile) return next();
    const file = isFile ? name : 'index.html';
    response.set({
      'Content-Security-Policy': CSP,
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      'Cache-Control': file === 'index.html' ? 'no-cache' : 'public, max-age=86400',
    });
    response.set('Content-Type', TYPES[extname(file)] ?? 'application/octet-stream').send(read(file));
  });
  return router;
};
