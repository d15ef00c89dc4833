/**
 * Money is whole pico-dollars (10⁻¹² USD) in a BigInt inside and a decimal string of USD at the edge;
 * never a float. A rate is pico-dollars per token, which is the same number as micro-dollars per
 * million tokens.
 */

const USD_FRACTION_DIGITS = 12;
const RATE_FRACTION_DIGITS = 6;
const DECIMAL = /^(-?)(\d{1,18})(?:\.(\d+))?$/;

/** Thrown when a text is not a plain decimal number, or has more digits than can be kept exactly. */
export class DecimalError extends Error {
  override readonly name = 'DecimalError';
}

type Decimal = { digits: bigint; fractionDigits: number };

const decodeDecimal = (text: string): Decimal => {
  const match = DECIMAL.exec(text);
  if (match === null) throw new DecimalError(`"${text.slice(0, 40)}" is not a decimal number like 12.5`);
  const [, sign = '', whole = '', fraction = ''] = match;
  return { digits: BigInt(sign + whole + fraction), fractionDigits: fraction.length };
};

const decodeScaled = (text: string, fractionDigits: number): bigint => {
  const decimal = decodeDecimal(text);
  if (decimal.fractionDigits > fractionDigits) {
    throw new DecimalError(`"${text.slice(0, 40)}" has more than ${fractionDigits} digits after the point`);
  }
  return decimal.digits * 10n ** BigInt(fractionDigits - decimal.fractionDigits);
};

/** The shortest text: no trailing zeros, no point without digits after it, at least one digit. */
const encodeScaled = (value: bigint, fractionDigits: number): string => {
  const sign = value < 0n ? '-' : '';
  const digits = (value < 0n ? -value : value).toString().padStart(fractionDigits + 1, '0');
  const fraction = digits.slice(-fractionDigits).replace(/0+$/, '');
  const whole = digits.slice(0, -fractionDigits);
  return sign + (fraction === '' ? whole : `${whole}.${fraction}`);
};

/** `180_000_000n` → `"0.00018"`. The text is the shortest exact one. */
export const encodeUsd = (picoUsd: bigint): string => encodeScaled(picoUsd, USD_FRACTION_DIGITS);

/** `"0.00018"` → `180_000_000n`. Throws `DecimalError` for anything but a plain decimal of at most 12 places. */
export const decodeUsd = (text: string): bigint => decodeScaled(text, USD_FRACTION_DIGITS);

/** A decimal without its last digits, rounded half to even. */
const roundHalfEven = (digits: bigint, droppedDigits: number): bigint => {
  const divisor = 10n ** BigInt(droppedDigits);
  const quotient = digits / divisor;
  const doubledRemainder = 2n * (digits % divisor);
  const roundUp = doubledRemainder > divisor || (doubledRemainder === divisor && quotient % 2n === 1n);
  return roundUp ? quotient + 1n : quotient;
};

/**
 * An amount that came as a JSON number, by the number's shortest decimal text, rounded half to even to a
 * whole pico-dollar: `1.4e-7` → `140_000n`. Throws `DecimalError` for a negative or endless one.
 */
export const picoUsdOfNumber = (usd: number): bigint => {
  const match = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(usd));
  if (match === null) throw new DecimalError(`${usd} is not an amount`);
  const [, whole = '', fraction = '', exponent = '0'] = match;
  const shift = USD_FRACTION_DIGITS + Number(exponent) - fraction.length;
  const digits = BigInt(whole + fraction);
  return shift >= 0 ? digits * 10n ** BigInt(shift) : roundHalfEven(digits, -shift);
};

/** `150_000n` → `"0.15"`: a rate in USD per million tokens. */
export const encodeUsdPerMillion = (ratePicoUsd: bigint): string =>
  encodeScaled(ratePicoUsd, RATE_FRACTION_DIGITS);

/**
 * `"0.15"` USD per million tokens → `150_000n` pico-dollars per token. Throws `DecimalError` for more
 * than 6 places, which no whole number of pico-dollars can hold, and for a negative rate.
 */
export const ratePicoUsdFromUsdPerMillion = (text: string): bigint => {
  const rate = decodeScaled(text, RATE_FRACTION_DIGITS);
  if (rate < 0n) throw new DecimalError(`"${text.slice(0, 40)}" is a negative rate`);
  return rate;
};

/**
 * A rate derived from another by a decimal multiplier (`"0.5"`, `"1.1"`), rounded once, half to even,
 * to a whole pico-dollar.
 */
export const multiplyRate = (ratePicoUsd: bigint, multiplier: string): bigint => {
  const { digits, fractionDigits } = decodeDecimal(multiplier);
  if (ratePicoUsd < 0n || digits < 0n) throw new DecimalError('a rate and its multiplier cannot be negative');
  return roundHalfEven(ratePicoUsd * digits, fractionDigits);
};
