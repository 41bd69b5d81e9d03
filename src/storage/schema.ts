import { GRANTS_DDL, type GrantTables } from './schema/grants.ts';
import { JOBS_DDL, type JobTables } from './schema/jobs.ts';
import { RESOURCES_DDL, type ResourceTables } from './schema/resources.ts';
import { STUDIES_DDL, type StudyTables } from './schema/studies.ts';

/** Every table of the database, by room. Column types are `$ID $TEXT $INT $REAL $BYTES`, see migrate.ts. */
export type Schema = StudyTables & ResourceTables & JobTables & GrantTables;

export const DDL: readonly string[] = [...STUDIES_DDL, ...RESOURCES_DDL, ...JOBS_DDL, ...GRANTS_DDL];
