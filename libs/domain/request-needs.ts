/** What a request needs of a model, read from a body of any dialect; a guess that leaves targets out, never one in. */
export type RequestNeeds = { imageInput: boolean; tools: boolean; promptTokens: number };

/** About four characters are a token. */
const CHARACTERS_PER_TOKEN = 4;
const DEPTH_MAX = 12;
const NODES_MAX = 20_000;
const IMAGE_TYPES: ReadonlySet<unknown> = new Set(['image', 'image_url', 'input_image']);
/** Members that hold bytes as text: they are no words of the prompt. */
const BYTES: ReadonlySet<string> = new Set(['data', 'image_url', 'url', 'file_data', 'signature']);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isImage = (value: Record<string, unknown>): boolean => {
  if (IMAGE_TYPES.has(value['type'])) return true;
  const media = value['mimeType'] ?? value['mime_type'] ?? value['media_type'];
  return typeof media === 'string' && media.startsWith('image/');
};

/** Looks at no more than `NODES_MAX` values: what is beyond them may only make the prompt longer. */
export const readRequestNeeds = (body: unknown): RequestNeeds => {
  let characters = 0;
  let imageInput = false;
  let nodes = 0;
  const walk = (value: unknown, depth: number, name: string): void => {
    nodes += 1;
    if (depth > DEPTH_MAX || nodes > NODES_MAX) return;
    if (typeof value === 'string') {
      if (!BYTES.has(name)) characters += value.length;
    } else if (Array.isArray(value)) {
      for (const item of value) walk(item, depth + 1, name);
    } else if (isObject(value)) {
      imageInput ||= isImage(value);
      for (const [key, member] of Object.entries(value)) walk(member, depth + 1, key);
    }
  };
  walk(body, 0, '');
  const tools = isObject(body) && Array.isArray(body['tools']) && body['tools'].length > 0;
  return { imageInput, tools, promptTokens: Math.floor(characters / CHARACTERS_PER_TOKEN) };
};
