import type { AnalysisResult } from './result.ts';

const esc = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** Number as a person reads it; the exact one stands in SR and Observation. */
export const rounded = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(1));

/** The form that a clinician reads: small, self-contained, without a patient's name. */
export const reportHtml = ({ algorithm, measurements, remarks, at }: AnalysisResult): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Automated measurement</title></head><body>
<h1>CT lung densitometry</h1>
<p><strong>Made by an algorithm, not verified by a person. Not a diagnosis.</strong></p>
<table><thead><tr><th>Measurement</th><th>Value</th></tr></thead><tbody>
${measurements.map(({ name, value, unit }) => `<tr><td>${esc(name.meaning)}</td><td>${rounded(value)} ${esc(unit.meaning)}</td></tr>`).join('\n')}
</tbody></table>
${remarks.map((remark) => `<p>Note: ${esc(remark)}</p>`).join('\n')}
<p>${esc(algorithm.name)} ${esc(algorithm.version)}, ${esc(algorithm.manufacturer)}. ${esc(algorithm.parameters)}. ${new Date(at).toISOString()}</p>
</body></html>
`;
