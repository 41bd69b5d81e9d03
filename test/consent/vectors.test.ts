import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Bundle, Consent, Resource } from 'fhir/r4';
import { type ConsentRequest, compileConsents, decide } from '../../src/consent/decide.ts';
import { factsOf, type ResourceFacts } from '../../src/consent/facts.ts';
import type { ImplicitPolicy } from '../../src/consent/policy.ts';

interface Vector {
  readonly id: string;
  readonly consents: readonly (string | Consent)[];
  readonly data?: string;
  readonly implicitPolicy: ImplicitPolicy;
  readonly request: {
    at: string;
    purpose: string;
    actors: string[];
    action: ConsentRequest['action'];
    patient?: string;
    resource?: ResourceFacts;
  };
  readonly expect: { decision: string; visible?: string[] };
}

const corpus = process.env.ISTHMUS_CORPUS;

test('CO-01 to CO-19: every consent vector', {
  skip: corpus ? false : 'ISTHMUS_CORPUS is not set: the consent vectors are not replayed',
}, async (t) => {
  const folder = join(corpus!, 'consent');
  const read = <T>(path: string): T => JSON.parse(readFileSync(join(folder, path), 'utf8')) as T;
  const vectors = read<Vector[]>('vectors/vectors.json');
  assert.ok(vectors.length >= 57);
  for (const vector of vectors) {
    await t.test(`CO ${vector.id}`, () => {
      const consents = vector.consents.map((consent) => (typeof consent === 'string' ? read<Consent>(consent) : consent));
      const { at, purpose, actors, action, patient, resource } = vector.request;
      const request: ConsentRequest = {
        at: Date.parse(at),
        purposes: [purpose],
        actors,
        action,
        patient: patient ? [patient] : [],
      };
      const decision = decide(consents, resource ? { ...request, resource } : request, { implicit: vector.implicitPolicy });
      assert.equal(decision.decision, vector.expect.decision);
      if (!vector.expect.visible || !vector.data) return;
      const compiled = compileConsents(consents, request, { implicit: vector.implicitPolicy });
      const resources = (read<Bundle>(vector.data).entry ?? []).map(
        (entry) => entry.resource as Resource & { resourceType: string },
      );
      const visible = resources
        .filter((one) => compiled.judge(factsOf(one)).permitted)
        .map((one) => `${one.resourceType}/${one.id}`);
      assert.deepEqual(visible.sort(), vector.expect.visible.filter((name) => !name.endsWith('/*')).sort());
      if (compiled.whole === 'permit') assert.equal(visible.length, resources.length);
      if (compiled.whole === 'deny') assert.equal(visible.length, 0);
    });
  }
});
