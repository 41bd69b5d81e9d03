import express, { type Router } from 'express';

interface HealthDeps {
  readonly database: () => Promise<unknown>;
  readonly doorbell: () => Promise<boolean>;
}

const TIMEOUT_MS = 2000;

const answers = async (work: Promise<unknown>): Promise<boolean> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), TIMEOUT_MS);
  });
  try {
    return await Promise.race([work.then((value) => value !== false), late]);
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
};

/** `/livez`: the process answers. `/readyz`: what it depends on does too; 503 names what does not. */
export const createHealth = (deps: HealthDeps): Router => {
  const router = express.Router();
  router.get('/livez', (_request, response) => void response.json({ status: 'up' }));
  router.get('/readyz', async (_request, response) => {
    const checks = { database: await answers(deps.database()), doorbell: await answers(deps.doorbell()) };
    response.status(checks.database ? 200 : 503).json({ status: checks.database ? 'ready' : 'not ready', checks });
  });
  return router;
};
