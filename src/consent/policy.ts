import { isBreakGlass, isTreatment, mustBeNamed } from './vocabulary.ts';

export type ImplicitPolicy = 'basic-normal' | 'all-normal' | 'break-glass-only' | 'deny';

/** IHE PCF implicit policies, which hold where no consent applies. */
export const POLICY_URI: Readonly<Record<ImplicitPolicy, string>> = {
  'basic-normal': 'https://profiles.ihe.net/ITI/PCF/Policy-basic-normal',
  'all-normal': 'https://profiles.ihe.net/ITI/PCF/Policy-all-normal',
  'break-glass-only': 'https://profiles.ihe.net/ITI/PCF/Policy-break-glass',
  deny: 'https://profiles.ihe.net/ITI/PCF/Policy-deny',
};

/** basic-normal opens the record for treatment; all-normal for every purpose that need not be named. */
export const implicitlyPermits = (policy: ImplicitPolicy, purpose: string): boolean => {
  switch (policy) {
    case 'basic-normal':
      return isTreatment(purpose);
    case 'all-normal':
      return !mustBeNamed(purpose);
    case 'break-glass-only':
      return isBreakGlass(purpose);
    case 'deny':
      return false;
  }
};
