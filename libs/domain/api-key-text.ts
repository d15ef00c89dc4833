import { FloError } from './errors.ts';

/**
 * An API key as its holder has it: `flo2_`, 32 random characters (190 bits), and 6 of a CRC-32 over what
 * stands before them, all letters and digits. A typing error is refused without a look into any store.
 */
const PREFIX = 'flo2_';
const RANDOM_CHARACTERS = 32;
const CHECKSUM_CHARACTERS = 6;
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const SHAPE = /^flo2_[0-9A-Za-z]{38}$/;
/** Bytes from here on would favour some characters. */
const BYTE_LIMIT = 256 - (256 % ALPHABET.length);

declare const apiKeyTextBrand: unique symbol;
export type ApiKeyText = string & { [apiKeyTextBrand]: true };

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    remainder = remainder & 1 ? (remainder >>> 1) ^ 0xed_b8_83_20 : remainder >>> 1;
  }
  return remainder;
});

const checksumOf = (text: string): string => {
  let crc = 0xff_ff_ff_ff;
  for (let index = 0; index < text.length; index += 1) {
    crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ text.charCodeAt(index)) & 0xff] ?? 0);
  }
  let value = (crc ^ 0xff_ff_ff_ff) >>> 0;
  let checksum = '';
  for (let digit = 0; digit < CHECKSUM_CHARACTERS; digit += 1) {
    checksum = (ALPHABET[value % ALPHABET.length] ?? '') + checksum;
    value = Math.floor(value / ALPHABET.length);
  }
  return checksum;
};

/** `fillRandom` fills the array with random bytes. */
export const mintApiKeyText = (fillRandom: (bytes: Uint8Array) => void): ApiKeyText => {
  const bytes = new Uint8Array(RANDOM_CHARACTERS * 2);
  let text = PREFIX;
  while (text.length < PREFIX.length + RANDOM_CHARACTERS) {
    fillRandom(bytes);
    for (const byte of bytes) {
      if (byte < BYTE_LIMIT && text.length < PREFIX.length + RANDOM_CHARACTERS) {
        text += ALPHABET[byte % ALPHABET.length] ?? '';
      }
    }
  }
  return (text + checksumOf(text)) as ApiKeyText;
};

/** Throws `FloError` `missing_key` or `invalid_key`; never repeats the key. */
export const parseApiKeyText = (text: string | null): ApiKeyText => {
  if (text === null || text === '') {
    throw new FloError('missing_key', 'No API key came: send "Authorization: Bearer flo2_…" or "x-api-key".');
  }
  const checked = text.slice(0, -CHECKSUM_CHARACTERS);
  if (!SHAPE.test(text) || checksumOf(checked) !== text.slice(-CHECKSUM_CHARACTERS)) {
    throw new FloError('invalid_key', 'This is no flo2 API key, or it is mistyped: keys look like flo2_….');
  }
  return text as ApiKeyText;
};
