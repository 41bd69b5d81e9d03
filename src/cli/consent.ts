import { parseArgs } from 'node:util';
import { asOperator } from '../compose/operator.ts';
import { decide } from '../consent/decide.ts';
import { createConsentSource } from '../storage/consents.ts';
import { type Command, UsageError } from './command.ts';

const help = `isthmus consent show --patient ID [--purpose TREAT] [--actor REF] [--action access] [--json]

Shows the consents of a patient that are kept here and what they decide for a requester.

Examples
  npx isthmus consent show --patient 0d3c…
  npx isthmus consent show --patient 0d3c… --purpose TREATDS --action use
`;

const ACTIONS = ['access', 'collect', 'use', 'disclose', 'correct'] as const;

export const consent: Command = {
  name: 'consent',
  summary: 'show what a patient’s consents decide',
  help,
  run: async (args, io) => {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        patient: { type: 'string' },
        purpose: { type: 'string' },
        actor: { type: 'string' },
        action: { type: 'string' },
        json: { type: 'boolean' },
      },
    });
    const action = ACTIONS.find((one) => one === (values.action ?? 'access'));
    if (positionals[0] !== 'show' || values.patient === undefined || !action)
      throw new UsageError('consent show needs --patient, and --action one of access, collect, use, disclose, correct');
    const patient = values.patient;
    return asOperator(io.config, async ({ database, act }) => {
      await act('consent-shown', [{ what: { reference: `Patient/${patient}` } }]);
      const consents = await createConsentSource(database).of(patient);
      const purposes = [`http://terminology.hl7.org/CodeSystem/v3-ActReason|${values.purpose ?? 'TREAT'}`];
      const decision = decide(
        consents,
        { at: Date.now(), patient: [`Patient/${patient}`], purposes, actors: values.actor ? [values.actor] : [], action },
        { implicit: io.config.implicitConsent },
      );
      if (values.json) io.out(JSON.stringify({ consents: consents.length, decision }));
      else
        io.out(
          `${consents.length} consents; ${decision.permitted ? 'permitted' : 'NOT permitted'} (${decision.reason}) ${decision.basis.map((one) => one.reference).join(', ')}`,
        );
      return 0;
    });
  },
};
