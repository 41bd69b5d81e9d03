const UID = /^(0|[1-9]\d*)(\.(0|[1-9]\d*))+$/;

/** PS3.5 §9.1: at most 64 characters, numeric components without leading zeros. The root arc is not judged: old objects carry others than 0–2. */
export const isUid = (text: string): boolean => text.length <= 64 && UID.test(text);

/** UIDs are padded with NUL to even length; blanks occur in practice. */
export const trimUid = (text: string): string => text.replace(/[\0 ]+$/, '').replace(/^ +/, '');
