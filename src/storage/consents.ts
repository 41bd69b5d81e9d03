import type { Consent } from 'fhir/r4';
import { sql } from 'kysely';
import type { ConsentSource } from '../consent/ports.ts';
import type { Database } from './database.ts';

/** Consents out of the FHIR store; each write of one leaves a numbered change. */
export const createConsentSource = ({ reader }: Database): ConsentSource => ({
  head: async () => {
    const row = await reader.selectFrom('consent_change').select('seq').orderBy('seq', 'desc').limit(1).executeTakeFirst();
    return row?.seq ?? 0;
  },
  changed: async (since) => {
    const rows = await reader
      .selectFrom('consent_change')
      .select(['seq', 'patient'])
      .where('seq', '>', since)
      .orderBy('seq')
      .execute();
    return { patients: [...new Set(rows.map((row) => row.patient))], head: rows.at(-1)?.seq ?? since };
  },
  of: async (patient) => {
    const rows = await reader
      .selectFrom('compartment')
      .innerJoin('resource', 'resource.pk', 'compartment.resource')
      .innerJoin('version', (join) =>
        join.onRef('version.resource', '=', 'resource.pk').onRef('version.version', '=', sql.ref('resource.version')),
      )
      .select('version.body')
      .where('compartment.patient', '=', patient)
      .where('resource.type', '=', 'Consent')
      .where('resource.deleted', '=', 0)
      .execute();
    return rows.map((row) => JSON.parse(row.body) as Consent);
  },
});
