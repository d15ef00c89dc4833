import { readBase64Image, remoteImage } from '../conversation.ts';
import type { Conversation, ConversationItem } from '../conversation.ts';
import { RefusedRequest } from '../provider.ts';
import type { AcceptedRequest, Address } from '../provider.ts';
import { sealOf } from '../seal.ts';
import { refusalOfIssue } from './request-refusal.ts';
import { countTokensBody, messagesBody } from './request-schema.ts';
import type {
  InputBlock as Block,
  InputImage,
  InputMessage as Message,
  MessagesBody as Body,
} from './request-schema.ts';

const refuse = (message: string, status = 400, type = 'invalid_request_error'): never => {
  throw new RefusedRequest({ status, type, message });
};

const blocksOf = (entry: Message): Block[] =>
  typeof entry.content === 'string' ? [{ type: 'text', text: entry.content }] : entry.content;

const readImage = (image: InputImage, at: string): ConversationItem => {
  const { source } = image;
  if (source.type === 'url') return { type: 'image', ...remoteImage(source.url) };
  if (source.type === 'file') return { type: 'image', ...remoteImage(source.file_id) };
  const seen = readBase64Image(source.media_type, source.data);
  if (seen === null) return refuse(`${at}.image.source.base64: invalid base64 data`);
  return { type: 'image', ...seen };
};

const readDocument = (entry: Extract<Block, { type: 'document' }>): ConversationItem => {
  const { media_type: mediaType, url, data } = entry.source;
  return {
    type: 'document',
    mediaType: typeof mediaType === 'string' ? mediaType : null,
    url: typeof url === 'string' ? url : null,
    bytes:
      typeof data === 'string' && entry.source['type'] === 'base64'
        ? Buffer.from(data, 'base64').length
        : null,
  };
};

const itemsOfBlock = (entry: Block, role: Message['role'], at: string): ConversationItem[] => {
  switch (entry.type) {
    case 'text':
      if (entry.text === '') refuse('messages: text content blocks must be non-empty');
      return [{ type: 'text', role, text: entry.text }];
    case 'image':
      return [readImage(entry, at)];
    case 'tool_use':
      return [{ type: 'tool_call', id: entry.id, name: entry.name, arguments: entry.input }];
    case 'tool_result': {
      const parts =
        typeof entry.content === 'string'
          ? [{ type: 'text' as const, text: entry.content }]
          : (entry.content ?? []);
      const text = parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
      const images = parts.flatMap((part) => (part.type === 'image' ? [readImage(part, at)] : []));
      return [
        { type: 'tool_result', id: entry.tool_use_id, text, isError: entry.is_error ?? false },
        ...images,
      ];
    }
    case 'thinking':
      if (entry.signature !== sealOf(entry.thinking))
        refuse(`${at}: Invalid \`signature\` in \`thinking\` block`);
      return [];
    case 'document':
      return [readDocument(entry)];
    case 'redacted_thinking':
      return [];
  }
};

/** Results come first in the message right after the calls, one for each call and none besides. */
const checkToolResults = (messages: readonly Message[]): void => {
  let open = new Set<string>();
  messages.forEach((entry, index) => {
    const wanted = open;
    const answered = new Set<string>();
    let resultsOver = false;
    blocksOf(entry).forEach((part, position) => {
      if (part.type !== 'tool_result') {
        resultsOver = true;
        return;
      }
      if (!wanted.has(part.tool_use_id))
        refuse(
          `messages.${index}.content.${position}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${part.tool_use_id}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`,
        );
      if (!resultsOver) answered.add(part.tool_use_id);
    });
    checkAnswered(
      [...wanted].filter((id) => !answered.has(id)),
      index - 1,
    );
    open = new Set(blocksOf(entry).flatMap((part) => (part.type === 'tool_use' ? [part.id] : [])));
  });
  checkAnswered([...open], messages.length - 1);
};

const checkAnswered = (unanswered: readonly string[], index: number): void => {
  if (unanswered.length > 0)
    refuse(
      `messages.${index}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${unanswered.join(', ')}. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`,
    );
};

const checkMessages = (messages: readonly Message[]): void => {
  if (messages[0]?.role === 'assistant') refuse('messages: first message must use the "user" role');
  messages.forEach((entry, index) => {
    const isLast = index === messages.length - 1;
    if (entry.content.length === 0 && !(isLast && entry.role === 'assistant'))
      refuse(
        `messages.${index}: all messages must have non-empty content except for the optional final assistant message`,
      );
    if (entry.role === 'user' && blocksOf(entry).some((part) => part.type === 'tool_use'))
      refuse(`messages.${index}: \`tool_use\` blocks can only be in \`assistant\` messages`);
    if (entry.role === 'assistant' && blocksOf(entry).some((part) => part.type === 'tool_result'))
      refuse(`messages.${index}: \`tool_result\` blocks can only be in \`user\` messages`);
    const last = blocksOf(entry).at(-1);
    if (isLast && entry.role === 'assistant' && last?.type === 'text' && /\s$/.test(last.text))
      refuse('messages: final assistant content cannot end with trailing whitespace');
  });
};

const checkOptions = (request: Body): void => {
  const thinks = request.thinking?.type === 'enabled' || request.thinking?.type === 'adaptive';
  if (request.thinking?.type === 'enabled' && request.thinking.budget_tokens >= request.max_tokens)
    refuse('`max_tokens` must be greater than `thinking.budget_tokens`.');
  if (thinks && (request.temperature ?? 1) !== 1)
    refuse('`temperature` may only be set to 1 when thinking is enabled.');
  if (thinks && (request.tool_choice?.type === 'any' || request.tool_choice?.type === 'tool'))
    refuse('Thinking may not be enabled when tool_choice forces tool use.');
  if (request.stop_sequences?.some((sequence) => sequence.trim() === ''))
    refuse('stop_sequences: each stop sequence must contain non-whitespace');
  const names = (request.tools ?? []).map((tool) => tool.name);
  if (new Set(names).size < names.length) refuse('tools: Tool names must be unique.');
  const choice = request.tool_choice;
  if (choice && choice.type !== 'none' && names.length === 0)
    refuse('tool_choice: `tool_choice` may only be specified while providing `tools`.');
  if (choice?.type === 'tool' && !names.includes(choice.name))
    refuse(`Tool '${choice.name}' not found in provided tools`);
};

const toolChoiceOf = (request: Body): Conversation['toolChoice'] => {
  const choice = request.tool_choice;
  switch (choice?.type) {
    case 'any':
      return 'required';
    case 'tool':
      return { name: choice.name };
    case 'none':
      return 'none';
    case 'auto':
    case undefined:
      return 'auto';
  }
};

const systemText = (system: Body['system']): string =>
  typeof system === 'string' ? system : (system ?? []).map((part) => part.text).join('\n');

const readConversation = (request: Body): Conversation => {
  const choice = request.tool_choice;
  return {
    system: systemText(request.system),
    items: request.messages.flatMap((entry, index) =>
      blocksOf(entry).flatMap((part, position) =>
        itemsOfBlock(part, entry.role, `messages.${index}.content.${position}`),
      ),
    ),
    tools: (request.tools ?? []).flatMap((tool) =>
      'input_schema' in tool ? [{ name: tool.name, schema: tool.input_schema }] : [],
    ),
    toolChoice: toolChoiceOf(request),
    parallelToolCalls: !(
      choice !== undefined &&
      'disable_parallel_tool_use' in choice &&
      choice.disable_parallel_tool_use
    ),
    maxOutputTokens: request.max_tokens,
    temperature: request.temperature ?? null,
    topP: request.top_p ?? null,
    stop: request.stop_sequences ?? [],
    reasoning: (request.thinking?.type ?? 'disabled') === 'disabled' ? 'none' : 'shown',
    jsonSchema: request.output_config?.format?.schema ?? null,
  };
};

const LATEST_VERSION = '2026-10-21';
const VERSIONS = ['2023-06-01', LATEST_VERSION];

const readVersion = ({ headers }: Address): string => {
  const version = headers['anthropic-version'];
  if (typeof version !== 'string') return refuse('anthropic-version: header is required');
  if (!VERSIONS.includes(version)) return refuse(`anthropic-version: "${version}" is not a valid version`);
  if (!(headers['content-type'] ?? '').includes('application/json'))
    return refuse('content-type: application/json is required');
  return version;
};

/** What the version of 2026-10-21 no longer takes. */
const checkLatestVersion = (request: Body): void => {
  for (const removed of ['temperature', 'top_p', 'top_k'] as const)
    if (request[removed] !== undefined) refuse(`${removed}: Extra inputs are not permitted`);
  request.messages.forEach((entry, index) =>
    blocksOf(entry).forEach((part, position) => {
      const at = `messages.${index}.content.${position}`;
      if (part.type === 'document' && entry.role === 'assistant')
        refuse(`${at}: \`document\` blocks are not allowed in \`assistant\` messages`);
      if (
        part.type === 'text' &&
        entry.role === 'user' &&
        Array.isArray(part.citations) &&
        part.citations.length > 0
      )
        refuse(`${at}.text.citations: citations are not allowed in \`user\` messages`);
    }),
  );
};

/** Reads a Messages request as strictly as the API does. Throws `RefusedRequest`. */
export const readMessagesRequest = (raw: unknown, address: Address): AcceptedRequest => {
  const version = readVersion(address);
  if (raw === undefined) return refuse('The request body is not valid JSON');
  const parsed = messagesBody.safeParse(raw);
  if (!parsed.success) throw new RefusedRequest(refusalOfIssue(parsed.error.issues, raw));
  const request = parsed.data;
  if (/^(gpt-|o\d|chatgpt|gemini)/.test(request.model))
    return refuse(`model: ${request.model}`, 404, 'not_found_error');
  if (version === LATEST_VERSION) checkLatestVersion(request);
  checkMessages(request.messages);
  checkToolResults(request.messages);
  checkOptions(request);
  return {
    model: request.model,
    stream: request.stream ?? false,
    conversation: readConversation(request),
    includeUsage: true,
    obfuscate: false,
    echo: null,
  };
};

/** A count takes a request's prompt alone: neither a limit nor a way of sampling. */
export const readCountTokensRequest = (raw: unknown, address: Address): AcceptedRequest => {
  readVersion(address);
  const parsed = countTokensBody.safeParse(raw);
  if (!parsed.success) throw new RefusedRequest(refusalOfIssue(parsed.error.issues, raw));
  return readMessagesRequest({ ...Object(raw), max_tokens: 128_000 }, address);
};
