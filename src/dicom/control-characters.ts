const isControl = (code: number): boolean => code < 0x20 || code === 0x7f;

export const hasControlCharacters = (text: string): boolean => {
  for (let at = 0; at < text.length; at++) if (isControl(text.charCodeAt(at))) return true;
  return false;
};

/** @param replacement for each control character; R4 strings and DICOM text VRs must not hold them */
export const withoutControlCharacters = (text: string, replacement = ''): string =>
  hasControlCharacters(text)
    ? [...text].map((character) => (isControl(character.charCodeAt(0)) ? replacement : character)).join('')
    : text;
