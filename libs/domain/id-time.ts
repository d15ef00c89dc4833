const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_CHARACTERS = 10;
/** The value of each character by its code, −1 for one that no id has. */
const DIGITS = Int8Array.from({ length: 128 }, (_, code) => ALPHABET.indexOf(String.fromCharCode(code)));

/** The ten characters an id minted at this time (Unix milliseconds) has after its prefix; they sort by it. */
export const encodeIdTime = (timeMs: number): string => {
  let time = timeMs;
  let text = '';
  for (let index = 0; index < TIME_CHARACTERS; index += 1) {
    text = ALPHABET[time % 32] + text;
    time = Math.floor(time / 32);
  }
  return text;
};

/** When an id was minted, in Unix milliseconds: `att_01kv5je8g0…` → 1781524800000. */
export const idTimeMs = (id: string): number => {
  const start = id.indexOf('_') + 1;
  const end = Math.min(start + TIME_CHARACTERS, id.length);
  let time = 0;
  for (let index = start; index < end; index += 1) time = time * 32 + (DIGITS[id.charCodeAt(index)] ?? -1);
  return time;
};
