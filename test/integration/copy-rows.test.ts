import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { copyColumns, copyRows } from '#postgres/copy-rows';
import { inTransaction } from '#postgres/transaction';
import { openTestLedger, type TestLedger } from '#test/support/ledger';

type Row = {
  text: string | null;
  small: number | null;
  whole: number | null;
  big: bigint | number | null;
  flag: boolean;
  at: number;
  bytes: string;
  plain: unknown;
  binary: unknown;
};
const of = copyColumns<Row>();
const COLUMNS = [
  of.text('text', (row) => row.text),
  of.smallint('small', (row) => row.small),
  of.integer('whole', (row) => row.whole),
  of.bigint('big', (row) => row.big),
  of.boolean('flag', (row) => row.flag),
  of.instant('at', (row) => row.at),
  of.hexadecimal('bytes', (row) => row.bytes),
  of.json('plain', (row) => row.plain),
  of.jsonb('jsonb', (row) => row.binary),
];
const ROW: Row = {
  text: 'a',
  small: 1,
  whole: 1,
  big: 1,
  flag: true,
  at: 0,
  bytes: '00ff',
  plain: undefined,
  binary: undefined,
};

let opened: TestLedger;
beforeAll(async () => {
  opened = await openTestLedger();
  const owner = new Client({ connectionString: opened.url });
  await owner.connect();
  await owner.query(
    `create table copied (number bigint generated always as identity, text text, small smallint, whole integer,
       big bigint, flag boolean, at timestamptz, bytes bytea, plain json, jsonb jsonb)`,
  );
  await owner.end();
});
afterAll(() => opened.close());

const copy = (rows: readonly Row[]): Promise<void> =>
  inTransaction(opened.database, (client) => copyRows(client, 'copied', COLUMNS, rows));

/** Copies the rows and reads them back, all as PostgreSQL writes them. */
const copyBack = async (rows: readonly Row[]) => {
  const { rows: before } = await opened.database.pool.query<{ last: string }>(
    'select coalesce(max(number), 0) as last from copied',
  );
  await copy(rows);
  const found = await opened.database.pool.query<Record<string, string | null>>(
    `select text, small::text, whole::text, big::text, flag::text, (at at time zone 'UTC')::text as at,
            encode(bytes, 'hex') as bytes, plain::text, jsonb::text
     from copied where number > $1 order by number`,
    [before[0]?.last],
  );
  return found.rows;
};

describe('rows that are copied', () => {
  it('hold the least and the greatest that their columns can hold, and nothing', async () => {
    const found = await copyBack([
      { ...ROW, small: -32_768, whole: -2_147_483_648, big: -(2n ** 63n), flag: false, at: -1 },
      { ...ROW, small: 32_767, whole: 2_147_483_647, big: 2n ** 63n - 1n, at: Date.UTC(2255, 0) * 1_000 + 1 },
      { ...ROW, big: Number.MIN_SAFE_INTEGER },
      { ...ROW, big: Number.MAX_SAFE_INTEGER },
      { ...ROW, text: null, small: null, whole: null, big: null },
    ]);
    expect(found.map(({ small, whole, big }) => [small, whole, big])).toEqual([
      ['-32768', '-2147483648', '-9223372036854775808'],
      ['32767', '2147483647', '9223372036854775807'],
      ['1', '1', '-9007199254740991'],
      ['1', '1', '9007199254740991'],
      [null, null, null],
    ]);
    expect(found.slice(0, 2).map(({ at, flag }) => [at, flag])).toEqual([
      ['1969-12-31 23:59:59.999999', 'false'],
      ['2255-01-01 00:00:00.000001', 'true'],
    ]);
    expect(found[4]).toMatchObject({ text: null, plain: null, jsonb: null, bytes: '00ff' });
  });

  it('hold texts of any length and script as they are, and what PostgreSQL cannot hold replaced', async () => {
    const texts = ['', 'plain', '\t\n\\N', 'ünïcödé', '𝒻𝓁𝑜', 'x'.repeat(65), 'é'.repeat(300_000), '\\.'];
    const found = await copyBack(
      texts.map((text) => ({ ...ROW, text, plain: { text }, binary: { [text]: [1, null] } })),
    );
    expect(found.map(({ text }) => text)).toEqual(texts);
    expect(found.map(({ plain }) => JSON.parse(plain ?? ''))).toEqual(texts.map((text) => ({ text })));
    expect(found.map(({ jsonb }) => JSON.parse(jsonb ?? ''))).toEqual(
      texts.map((text) => ({ [text]: [1, null] })),
    );
    const [odd] = await copyBack([{ ...ROW, text: 'a\0b\ud800', plain: 'a\0', binary: 'b\udc00' }]);
    expect(odd).toMatchObject({ text: 'a\ufffdb\ufffd', plain: '"a\\ufffd"', jsonb: '"b\ufffd"' });
  });

  it('come whole where they are many times more than one piece', async () => {
    const rows = Array.from({ length: 5_000 }, (_, index) => ({ ...ROW, big: index, text: 'y'.repeat(500) }));
    const found = await copyBack(rows);
    expect(found.map(({ big }) => Number(big))).toEqual(rows.map(({ big }) => big));
  });

  it.each([
    { small: 32_768 },
    { small: 0.5 },
    { whole: 2_147_483_648 },
    { whole: -2_147_483_649 },
    { big: 2n ** 63n },
    { big: -(2n ** 63n) - 1n },
    { big: 2 ** 53 },
    { big: Number.NaN },
  ])('are refused together where one of them holds %o, and the connection goes on', async (odd) => {
    await expect(copy([ROW, { ...ROW, ...odd }])).rejects.toMatchObject({ code: '22003' });
    expect(await copyBack([ROW])).toHaveLength(1);
  });
});
