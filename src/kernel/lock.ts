import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** Takes the folder for this process; a lock whose process is gone is taken over. @returns undefined when another process holds it */
export const tryLock = (folder: string): (() => void) | undefined => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'lock');
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const file = openSync(path, 'wx', 0o600);
      writeSync(file, String(process.pid));
      closeSync(file);
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const holder = Number(readFileSync(path, 'utf8'));
      if (holder !== process.pid && holder > 0 && alive(holder)) return undefined;
      rmSync(path, { force: true });
    }
  }
  return undefined;
};

/** Waits for the folder. @throws Error when it stays taken */
export const lock = async (folder: string, waitMs: number): Promise<() => void> => {
  for (const until = Date.now() + waitMs; ; ) {
    const release = tryLock(folder);
    if (release) return release;
    if (Date.now() > until) throw new Error('another process holds the folder');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
