/** The version that translated requests are written in, and that of a client which names none. */
export const ANTHROPIC_VERSION = '2023-06-01';

/** `forwarded` are the client's own, of which the API knows two. */
export const anthropicHeaders = (forwarded: Readonly<Record<string, string>>): Record<string, string> => {
  const beta = forwarded['anthropic-beta'];
  return {
    'content-type': 'application/json',
    'anthropic-version': forwarded['anthropic-version'] ?? ANTHROPIC_VERSION,
    ...(beta !== undefined && { 'anthropic-beta': beta }),
  };
};
