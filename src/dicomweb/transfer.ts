import { asFault } from '../kernel/fault.ts';
import type { InstanceRow, StudyRow } from '../studies/ports.ts';
import type { Offer } from './accept.ts';
import type { Context } from './context.ts';
import { ClientGone, type OutPart, sendMultipart, sendSingle } from './multipart-writer.ts';
import { accessOf, factsOf } from './request-facts.ts';

export interface Selected {
  readonly study: StudyRow;
  readonly rows: readonly InstanceRow[];
}

/**
 * Puts an access on record, then lets it happen. One that breaks off is recorded again with what went out, and the connection is
 * cut: an answer that is not whole must not look whole.
 *
 * @param send calls `onSent` for each instance that went out as a whole
 */
export const transfer = async (
  context: Context,
  { study, rows }: Selected,
  send: (onSent: () => void) => Promise<void>,
): Promise<void> => {
  const { response, audit, log, requestId } = context;
  const facts = factsOf(context);
  await audit.retrieved(facts, accessOf(study, rows));
  let sent = 0;
  try {
    await send(() => {
      sent++;
    });
  } catch (error) {
    await audit.interrupted(facts, accessOf(study, rows.slice(0, sent)));
    if (!response.headersSent && !(error instanceof ClientGone)) throw error;
    if (!(error instanceof ClientGone))
      log.error('an answer broke off', { requestId, route: facts.route, error: asFault(error) });
    response.destroy();
  }
};

/** Parts of the instances of a selection, as the chosen representation asks. */
export const sendParts = async (
  { request, response }: Context,
  offer: Offer,
  parts: readonly OutPart[],
  onSent: () => void,
): Promise<void> => {
  const sending = { response, bodiless: request.method === 'HEAD', onSent };
  await (offer.multipart ? sendMultipart(sending, offer.type, parts) : sendSingle(sending, parts[0]!));
};
