const ACT_REASON = 'http://terminology.hl7.org/CodeSystem/v3-ActReason';

/** Purposes of use and their narrower ones (v3-ActReason, PurposeOfUse), as far as provisions use them. */
const PARENT: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries({
    TREAT: ['CAREMGT', 'COC', 'ETREAT', 'POPHLTH', 'TREATDS'],
    ETREAT: ['BTG', 'ERTREAT'],
    HPAYMT: ['CLMATTCH', 'COVAUTH', 'COVERAGE', 'REMITADV'],
    COVERAGE: ['ELIGDTRM', 'ELIGVER', 'ENROLLM'],
    HOPERAT: [
      'DONAT',
      'FRAUD',
      'GOV',
      'HACCRED',
      'HCOMPL',
      'HDECD',
      'HDIRECT',
      'HDM',
      'HLEGAL',
      'HOUTCOMS',
      'HPRGRP',
      'HQUALIMP',
      'HSYSADMIN',
      'LABELING',
      'MEMADMIN',
      'METAMGT',
      'MLTRAINING',
      'PATADMIN',
      'PATSFTY',
      'PERFMSR',
      'RECORDMGT',
      'SYSDEV',
    ],
    SYSDEV: ['HTEST', 'TRAIN'],
    HRESCH: ['BIORCH', 'CLINTRCH', 'DSRCH', 'POARCH', 'TRANSRCH'],
    PATRQT: ['FAMRQT', 'PWATRNY', 'SUPNWK'],
    PUBHLTH: ['DISASTER', 'THREAT'],
  }).flatMap(([parent, children]) => children.map((child) => [child, parent])),
);

/** A permit must name these: nobody who allows operations means training a model with it. */
const EXPLICIT_ONLY = new Set(['MLTRAINING', 'HMARKT']);

const codeOf = (purpose: string): string => purpose.slice(purpose.lastIndexOf('|') + 1);

/** Whether a rule about `listed` speaks of `asked`: the same purpose, or one that `listed` includes. */
export const purposeCovers = (listed: string, asked: string, effect: 'permit' | 'deny'): boolean => {
  if (listed === asked) return true;
  if (!asked.startsWith(`${ACT_REASON}|`) || !listed.startsWith(`${ACT_REASON}|`)) return false;
  let code: string | undefined = codeOf(asked);
  while (code !== undefined) {
    if (code === codeOf(listed)) return true;
    if (effect === 'permit' && EXPLICIT_ONLY.has(code)) return false;
    code = PARENT[code];
  }
  return false;
};

export const isTreatment = (purpose: string): boolean => purposeCovers(`${ACT_REASON}|TREAT`, purpose, 'permit');
export const isBreakGlass = (purpose: string): boolean => purpose === `${ACT_REASON}|BTG`;
export const mustBeNamed = (purpose: string): boolean => EXPLICIT_ONLY.has(codeOf(purpose));

const LEVELS = ['U', 'L', 'M', 'N', 'R', 'V'];

/**
 * Whether a label in a rule covers a resource's label. Confidentiality is a high-water mark: a permit of R covers R and lower
 * (R4 Consent.provision.securityLabel); a denial of R covers R and higher. Other labels cover themselves only.
 */
export const labelCovers = (listed: string, label: string, effect: 'permit' | 'deny'): boolean => {
  if (listed === label) return true;
  const [from, to] = [LEVELS.indexOf(listed), LEVELS.indexOf(label)];
  if (from < 0 || to < 0) return false;
  return effect === 'permit' ? to <= from : to >= from;
};

export const isConfidentiality = (label: string): boolean => LEVELS.includes(label);
