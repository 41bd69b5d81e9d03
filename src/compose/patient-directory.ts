import type { Patient } from 'fhir/r4';
import type { ResourceStore } from '../fhir/store.ts';
import { UNRESTRICTED } from '../kernel/restriction.ts';
import type { PatientDirectory } from '../smart/ports.ts';

const MAX_CHOICES = 100;

/** Patients for the picker of a launch, out of the record. */
export const createPatientDirectory = (resources: ResourceStore): PatientDirectory => ({
  list: async (only) => {
    const query = {
      type: 'Patient',
      criteria: only ? [{ on: 'id', ids: only } as const] : [],
      filters: undefined,
      sort: [],
      count: MAX_CHOICES,
      after: undefined,
    };
    if (only?.length === 0) return [];
    const { rows } = await resources.search(query, UNRESTRICTED);
    return rows.map((row) => {
      const patient = JSON.parse(row.text) as Patient;
      const [name] = patient.name ?? [];
      const text = name?.text ?? [name?.family, ...(name?.given ?? [])].filter(Boolean).join(', ');
      return { id: row.id, name: text === '' ? 'Name not known' : text, birthDate: patient.birthDate ?? '' };
    });
  },
});
