import dcmjs from 'dcmjs';
import { EXPLICIT_LITTLE_ENDIAN } from './transfer-syntax.ts';
import { checkDataset, type DicomKeywords, DicomValueError } from './write-check.ts';

// The encoder's log quotes values of the dataset: nothing of it may reach ours.
dcmjs.log.disableAll();

/** This implementation (PS3.7 §D.3.3.2). */
export const IMPLEMENTATION_CLASS_UID = '2.25.205432108764532871964523098174562390817';
export const IMPLEMENTATION_VERSION = 'ISTHMUS_0_1';

const { DicomMetaDictionary, DicomDict } = dcmjs.data;

/**
 * A Part 10 object in Explicit VR Little Endian, text in UTF-8 (ISO_IR 192).
 *
 * @param dataset SOPClassUID and SOPInstanceUID included; PixelData as bytes of 16-bit words, little endian
 * @throws DicomValueError for a value that its VR does not allow
 */
export const writePart10 = (dataset: DicomKeywords): Buffer => {
  if (typeof dataset.SOPClassUID !== 'string' || typeof dataset.SOPInstanceUID !== 'string')
    throw new DicomValueError('SOPClassUID and SOPInstanceUID are needed');
  const content: Record<string, unknown> = {
    ...checkDataset({ ...dataset, SpecificCharacterSet: 'ISO_IR 192' }),
    _vrMap: { PixelData: 'OW' },
  };
  const meta = {
    FileMetaInformationVersion: new Uint8Array([0, 1]).buffer,
    MediaStorageSOPClassUID: dataset.SOPClassUID,
    MediaStorageSOPInstanceUID: dataset.SOPInstanceUID,
    TransferSyntaxUID: EXPLICIT_LITTLE_ENDIAN,
    ImplementationClassUID: IMPLEMENTATION_CLASS_UID,
    ImplementationVersionName: IMPLEMENTATION_VERSION,
    _vrMap: {},
  };
  const object = new DicomDict(DicomMetaDictionary.denaturalizeDataset(meta));
  object.dict = DicomMetaDictionary.denaturalizeDataset(content);
  return Buffer.from(object.write({ fragmentMultiframe: false }));
};
