import type { DicomKeywords } from '../dicom/write-check.ts';
import { formatDecimalString } from '../dicom/write-value.ts';
import { type Code, codeItem } from './codes.ts';

/** How an item relates to its parent (PS3.3 table C.17.3-8). */
export type Relationship =
  | 'CONTAINS'
  | 'HAS OBS CONTEXT'
  | 'HAS CONCEPT MOD'
  | 'HAS ACQ CONTEXT'
  | 'HAS PROPERTIES'
  | 'INFERRED FROM'
  | 'SELECTED FROM';

export interface ImageReference {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
}

const item = (
  relationship: Relationship,
  type: string,
  name: Code | undefined,
  value: DicomKeywords,
  children: readonly DicomKeywords[] = [],
): DicomKeywords => ({
  RelationshipType: relationship,
  ValueType: type,
  ...(name ? { ConceptNameCodeSequence: [codeItem(name)] } : {}),
  ...value,
  ...(children.length > 0 ? { ContentSequence: [...children] } : {}),
});

export const code = (
  relationship: Relationship,
  name: Code,
  value: Code,
  children: readonly DicomKeywords[] = [],
): DicomKeywords => item(relationship, 'CODE', name, { ConceptCodeSequence: [codeItem(value)] }, children);

export const text = (relationship: Relationship, name: Code, value: string): DicomKeywords =>
  item(relationship, 'TEXT', name, { TextValue: value });

export const uidReference = (relationship: Relationship, name: Code, uid: string): DicomKeywords =>
  item(relationship, 'UIDREF', name, { UID: uid });

/** DS is rounded to 16 characters; the full double goes beside it (PS3.3 §C.18.1). */
export const number = (
  relationship: Relationship,
  name: Code,
  value: number,
  unit: Code,
  children: readonly DicomKeywords[] = [],
  extra: DicomKeywords = {},
): DicomKeywords =>
  item(
    relationship,
    'NUM',
    name,
    {
      ...extra,
      MeasuredValueSequence: [
        { NumericValue: formatDecimalString(value), FloatingPointValue: value, MeasurementUnitsCodeSequence: [codeItem(unit)] },
      ],
    },
    children,
  );

export const image = (relationship: Relationship, name: Code | undefined, reference: ImageReference): DicomKeywords =>
  item(relationship, 'IMAGE', name, {
    ReferencedSOPSequence: [{ ReferencedSOPClassUID: reference.sopClassUid, ReferencedSOPInstanceUID: reference.sopInstanceUid }],
  });

/** A point on an image, column then row, in pixels (PS3.3 §C.18.6). */
export const point = (relationship: Relationship, column: number, row: number, on: ImageReference): DicomKeywords =>
  item(relationship, 'SCOORD', undefined, { GraphicType: 'POINT', GraphicData: [column, row] }, [
    image('SELECTED FROM', undefined, on),
  ]);

/** @param templateId of the DCMR template the container follows */
export const container = (
  relationship: Relationship,
  name: Code,
  children: readonly DicomKeywords[],
  templateId?: string,
): DicomKeywords =>
  item(
    relationship,
    'CONTAINER',
    name,
    {
      ContinuityOfContent: 'SEPARATE',
      ...(templateId ? { ContentTemplateSequence: [{ MappingResource: 'DCMR', TemplateIdentifier: templateId }] } : {}),
    },
    children,
  );
