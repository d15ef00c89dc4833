import type { Dispatch } from '#contracts/dispatch';
import { FloError } from '#domain/errors';
import type { PayloadStore } from '#nats/payload-store';

/** The client's body of a dispatch, wherever it is; an error where it cannot be had. */
export const redeem = async (
  { header: { payload }, body }: Dispatch,
  payloads: PayloadStore,
): Promise<Uint8Array | FloError> => {
  if (payload === undefined) return body;
  try {
    return await payloads.get(payload);
  } catch (error) {
    if (error instanceof FloError) return error;
    throw error;
  }
};
