import type { Transactor } from '../kernel/transaction.ts';
import type { BlobStore, StudyIndex } from './ports.ts';
import { createReception } from './receive.ts';
import type { Studies } from './service.ts';

export interface StudiesDeps {
  readonly blobs: BlobStore;
  readonly index: StudyIndex;
  readonly transactor: Transactor;
  readonly onStored: (studyInstanceUids: readonly string[]) => void;
}

export const createStudies = (deps: StudiesDeps): Studies => ({
  receive: (options) => createReception(deps, options),
  search: deps.index.search,
  study: deps.index.study,
  instances: deps.index.instances,
  metadata: deps.index.metadata,
  bytes: (row, start, end) => deps.blobs.read(row.location, start, end),
});
