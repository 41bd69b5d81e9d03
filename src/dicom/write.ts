import dcmjs from 'dcmjs';
import { EXPLICIT_LITTLE_ENDIAN } from './transfer-syntax.ts';
import { checkDataset, type DicomKeywords, UTF_8 } from './write-check.ts';
import { DicomValueError } from './write-value.ts';

// The encoder's logs quote values of the dataset: nothing of it may reach ours.
for (const logger of [dcmjs.log, ...Object.values(dcmjs.log.getLoggers())]) logger.disableAll();

/** This implementation (PS3.7 §D.3.3.2). */
export const IMPLEMENTATION_CLASS_UID = '2.25.205432108764532871964523098174562390817';
export const IMPLEMENTATION_VERSION = 'ISTHMUS_0_1';

const { DicomMetaDictionary, DicomDict } = dcmjs.data;

const encode = (meta: Record<string, unknown>, content: Record<string, unknown>): Buffer => {
  try {
    const object = new DicomDict(DicomMetaDictionary.denaturalizeDataset(meta));
    object.dict = DicomMetaDictionary.denaturalizeDataset(content);
    return Buffer.from(object.write({ fragmentMultiframe: false }));
  } catch {
    // Not even as a cause: the encoder's message quotes the value.
    throw new DicomValueError('The encoder refused a value');
  }
};

/**
 * A Part 10 object in Explicit VR Little Endian, text in UTF-8 (ISO_IR 192).
 *
 * @param dataset SOPClassUID and SOPInstanceUID included; PixelData as bytes of 16-bit words, little endian
 * @throws DicomValueError for a value that its VR does not allow, and for a keyword that the dictionary does not know
 */
export const writePart10 = (dataset: DicomKeywords): Buffer => {
  if (!dataset.SOPClassUID || !dataset.SOPInstanceUID) throw new DicomValueError('SOPClassUID and SOPInstanceUID are needed');
  const content = checkDataset({ ...dataset, SpecificCharacterSet: UTF_8 });
  const meta = {
    FileMetaInformationVersion: new Uint8Array([0, 1]).buffer,
    MediaStorageSOPClassUID: content.SOPClassUID,
    MediaStorageSOPInstanceUID: content.SOPInstanceUID,
    TransferSyntaxUID: EXPLICIT_LITTLE_ENDIAN,
    ImplementationClassUID: IMPLEMENTATION_CLASS_UID,
    ImplementationVersionName: IMPLEMENTATION_VERSION,
    _vrMap: {},
  };
  return encode(meta, content);
};
