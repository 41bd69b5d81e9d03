import type { Doorbell } from './ports.ts';

/** Wakes the worker of this process. */
export const createEmbeddedDoorbell = (): Doorbell => {
  const listeners: (() => void)[] = [];
  return {
    ring: async () => {
      for (const listener of listeners) setImmediate(listener);
    },
    onRing: (listener) => {
      listeners.push(listener);
    },
    healthy: async () => true,
    close: async () => {
      listeners.length = 0;
    },
  };
};
