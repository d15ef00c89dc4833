import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { TenantId } from '#contracts/ids';
import { usageExport, type ExportFormat, type UsageExport } from '#contracts/usage-export';
import { FloError } from '#domain/errors';
import type { ExportedAttempt, ExportedCharge } from '#postgres/usage-export';
import type { LedgerClock } from '#postgres/usage-query';
import type { UsageScope } from '#postgres/usage-sql';
import {
  ATTEMPT_CSV_HEAD,
  encodeAttemptCsvLine,
  encodeFocusLine,
  encodeNdjsonLine,
  FOCUS_CSV_HEAD,
} from '../usage-files.ts';
import { invalidInput } from './list-input.ts';
import { readTenantOf, type Authorize } from './usage-authorization.ts';

export type UsageExportDependencies = {
  authorize: Authorize;
  usage: {
    readClock: (asOf: string | null) => Promise<LedgerClock>;
    exportAttempts: (scope: UsageScope) => AsyncGenerator<ExportedAttempt[]>;
    exportCharges: (scope: UsageScope) => AsyncGenerator<ExportedCharge[]>;
  };
};

/** Under way at once in one process; each asks Postgres for a piece whenever its reader has taken one. */
const EXPORTS_MAX = 4;

const FILES: Record<ExportFormat, { type: string; name: string }> = {
  csv: { type: 'text/csv; charset=utf-8', name: 'usage.csv' },
  ndjson: { type: 'application/x-ndjson', name: 'usage.ndjson' },
  focus: { type: 'text/csv; charset=utf-8', name: 'usage-focus.csv' },
};

async function* linesOf<Row>(
  head: string,
  pieces: AsyncGenerator<Row[]>,
  encode: (row: Row) => string,
): AsyncGenerator<string> {
  if (head !== '') yield head;
  for await (const rows of pieces) yield rows.map(encode).join('');
}

/** `GET /api/v1/usage/export`. */
export const registerUsageExportRoute = (app: FastifyInstance, deps: UsageExportDependencies): void => {
  const { authorize, usage } = deps;
  let underWay = 0;

  const openFile = (format: ExportFormat, scope: UsageScope): AsyncGenerator<string> => {
    switch (format) {
      case 'csv':
        return linesOf(ATTEMPT_CSV_HEAD, usage.exportAttempts(scope), encodeAttemptCsvLine);
      case 'ndjson':
        return linesOf('', usage.exportAttempts(scope), encodeNdjsonLine);
      case 'focus':
        return linesOf(FOCUS_CSV_HEAD, usage.exportCharges(scope), encodeFocusLine);
    }
  };

  const scopeOf = async (query: UsageExport, tenantId: TenantId | null): Promise<UsageScope> => {
    const { asOf } = await usage.readClock(query.as_of ?? null);
    const { filters } = query;
    return { tenantId, fromMs: Date.parse(query.from), toMs: Date.parse(query.to), filters, asOf };
  };

  app.get('/api/v1/usage/export', async (request, reply) => {
    const principal = await authorize(request, { scope: 'usage:read' });
    const parsed = usageExport.safeParse(request.query);
    if (!parsed.success) throw invalidInput(parsed.error);
    const query = parsed.data;
    const scope = await scopeOf(query, readTenantOf(principal, query.tenant));
    if (underWay >= EXPORTS_MAX) {
      throw new FloError('unavailable', 'Too many exports are under way. Try again shortly.', {
        retryAfterMs: 10_000,
      });
    }
    underWay += 1;
    const file = Readable.from(openFile(query.format, scope), { objectMode: true, highWaterMark: 1 });
    file.once('close', () => (underWay -= 1));
    const { type, name } = FILES[query.format];
    return reply
      .header('content-type', type)
      .header('content-disposition', `attachment; filename="${name}"`)
      .header('x-flo2-as-of', scope.asOf)
      .send(file);
  });
};
