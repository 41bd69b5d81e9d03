declare module 'dcmjs' {
  interface Logger {
    disableAll(): void;
  }
  interface Dcmjs {
    readonly data: {
      readonly DicomMetaDictionary: {
        readonly nameMap: Record<
          string,
          { readonly tag: string; readonly vr: string; readonly name: string; readonly vm: string } | undefined
        >;
        readonly denaturalizeDataset: (dataset: Record<string, unknown>) => Record<string, unknown>;
        readonly naturalizeDataset: (dataset: Record<string, unknown>) => Record<string, unknown>;
      };
      readonly DicomDict: new (
        meta: Record<string, unknown>,
      ) => { dict: Record<string, unknown>; write(options?: Record<string, unknown>): ArrayBuffer };
      readonly DicomMessage: { readFile(buffer: ArrayBuffer): { dict: Record<string, unknown>; meta: Record<string, unknown> } };
    };
    readonly log: Logger & { setLevel(level: string): void; getLoggers(): Record<string, Logger> };
  }
  const dcmjs: Dcmjs;
  // biome-ignore lint/style/noDefaultExport: the shape of the package
  export default dcmjs;
}
