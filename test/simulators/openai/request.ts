import { readBase64Image, remoteImage } from '../conversation.ts';
import type { Conversation, ConversationItem } from '../conversation.ts';
import { RefusedRequest } from '../provider.ts';
import type { AcceptedRequest, Address } from '../provider.ts';
import { refusalOfIssue } from './request-refusal.ts';
import { chatCompletionBody } from './request-schema.ts';
import type { ChatCompletionBody as Body, ChatCompletionMessage as Message } from './request-schema.ts';

const refuse = (message: string, param: string | null, code: string | null = null): never => {
  throw new RefusedRequest({ status: 400, type: 'invalid_request_error', message, param, code });
};

export const textOf = (content: string | readonly { type: string; text?: string }[]): string =>
  typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('');

export const parseArguments = (json: string): unknown => {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
};

export const readImage = (url: string, param: string): ConversationItem => {
  if (/^https?:\/\//.test(url)) return { type: 'image', ...remoteImage(url) };
  const data = /^data:(image\/[a-z+]+);base64,(.*)$/s.exec(url);
  const image = data === null ? null : readBase64Image(data[1] ?? '', data[2] ?? '');
  if (image === null)
    return refuse(
      'Invalid image URL: expected an https URL or a base64 data URL of an image.',
      param,
      'invalid_image_url',
    );
  return { type: 'image', ...image };
};

const bytesOf = (base64: string): number => Buffer.from(base64, 'base64').length;

const readFile = (file: Record<string, unknown>): ConversationItem => {
  const data = typeof file['file_data'] === 'string' ? file['file_data'] : null;
  const parts = data === null ? null : /^data:([^;]+);base64,(.*)$/s.exec(data);
  return {
    type: 'document',
    mediaType: parts?.[1] ?? null,
    url: null,
    bytes: parts === null ? null : bytesOf(parts[2] ?? ''),
  };
};

const itemsOfMessage = (entry: Message, index: number): ConversationItem[] => {
  switch (entry.role) {
    case 'system':
    case 'developer':
      return [];
    case 'tool':
      return [{ type: 'tool_result', id: entry.tool_call_id, text: textOf(entry.content), isError: false }];
    case 'user':
      if (typeof entry.content === 'string') return [{ type: 'text', role: 'user', text: entry.content }];
      return entry.content.flatMap((part, position): ConversationItem[] => {
        if (part.type === 'text') return [{ type: 'text', role: 'user', text: part.text }];
        if (part.type === 'input_audio')
          return [{ type: 'audio', format: part.input_audio.format, bytes: bytesOf(part.input_audio.data) }];
        if (part.type === 'file') return [readFile(part.file)];
        return [readImage(part.image_url.url, `messages[${index}].content[${position}].image_url.url`)];
      });
    case 'assistant': {
      const text = textOf(entry.content ?? '');
      const calls = (entry.tool_calls ?? []).map((call): ConversationItem =>
        call.type === 'function'
          ? {
              type: 'tool_call',
              id: call.id,
              name: call.function.name,
              arguments: parseArguments(call.function.arguments),
            }
          : { type: 'tool_call', id: call.id, name: call.custom.name, arguments: call.custom.input },
      );
      return text === '' ? calls : [{ type: 'text', role: 'assistant', text }, ...calls];
    }
  }
};

/** Each tool call is answered by a tool message before anything else is said, and nothing else is answered. */
const checkToolMessages = (messages: readonly Message[]): void => {
  let open = new Set<string>();
  messages.forEach((entry, index) => {
    if (entry.role === 'tool') {
      if (!open.delete(entry.tool_call_id))
        refuse(
          "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
          `messages.[${index}].role`,
        );
      return;
    }
    checkAnswered(open, index);
    if (entry.role !== 'assistant') return;
    if ((entry.content ?? null) === null && !entry.tool_calls && !entry.refusal && !entry.function_call)
      refuse("Invalid value for 'content': expected a string, got null.", `messages.[${index}].content`);
    open = new Set((entry.tool_calls ?? []).map((call) => call.id));
  });
  checkAnswered(open, messages.length);
};

const checkAnswered = (open: ReadonlySet<string>, index: number): void => {
  if (open.size > 0)
    refuse(
      `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${[...open].join(', ')}`,
      `messages.[${index}].role`,
    );
};

/** Models that reason refuse the older limit and any temperature but 1. */
export const isReasoningModel = (model: string): boolean => /^(o\d|gpt-5(?!.*chat))/.test(model);

export const checkOptions = (request: Body): void => {
  if (request.stream_options && request.stream !== true)
    refuse("The 'stream_options' parameter is only allowed when 'stream' is enabled.", 'stream_options');
  if (!request.tools && request.tool_choice && request.tool_choice !== 'none')
    refuse(
      "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
      'tool_choice',
    );
  if (!request.tools && request.parallel_tool_calls)
    refuse(
      "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.",
      'parallel_tool_calls',
    );
  if (request.max_tokens && request.max_completion_tokens)
    refuse(
      "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
      'max_tokens',
      'invalid_parameter_combination',
    );
  if (!isReasoningModel(request.model)) return;
  if (request.max_tokens)
    refuse(
      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      'max_tokens',
      'unsupported_parameter',
    );
  if ((request.temperature ?? 1) !== 1)
    refuse(
      `Unsupported value: 'temperature' does not support ${request.temperature} with this model. Only the default (1) value is supported.`,
      'temperature',
      'unsupported_value',
    );
};

const toolChoiceOf = (request: Body): Conversation['toolChoice'] => {
  const choice = request.tool_choice ?? 'auto';
  if (typeof choice === 'string') return choice;
  return choice.type === 'function' ? { name: choice.function.name } : 'required';
};

const jsonSchemaOf = (request: Body): unknown => {
  const format = request.response_format;
  if (!format || format.type === 'text') return null;
  if (format.type === 'json_schema') return format.json_schema.schema ?? {};
  if (!/json/i.test(JSON.stringify(request.messages)))
    refuse(
      "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
      'messages',
    );
  return {};
};

const readConversation = (request: Body): Conversation => {
  const reasons =
    isReasoningModel(request.model) && !['none', 'minimal'].includes(request.reasoning_effort ?? '');
  return {
    system: request.messages
      .filter((entry) => entry.role === 'system' || entry.role === 'developer')
      .map((entry) => textOf(entry.content))
      .join('\n'),
    items: request.messages.flatMap(itemsOfMessage),
    tools: (request.tools ?? []).flatMap((offered) =>
      offered.type === 'function'
        ? [{ name: offered.function.name, schema: offered.function.parameters ?? {} }]
        : [],
    ),
    toolChoice: toolChoiceOf(request),
    parallelToolCalls: request.parallel_tool_calls ?? true,
    maxOutputTokens: request.max_completion_tokens ?? request.max_tokens ?? null,
    temperature: request.temperature ?? null,
    topP: request.top_p ?? null,
    stop: typeof request.stop === 'string' ? [request.stop] : (request.stop ?? []),
    reasoning: reasons ? 'hidden' : 'none',
    jsonSchema: jsonSchemaOf(request),
  };
};

const NO_MODEL = 'you must provide a model parameter';

/** A body that does not say it is JSON is not read, so that the API misses the model first. */
export const assertJsonBody = (raw: unknown, { headers }: Pick<Address, 'headers'>): void => {
  if (!(headers['content-type'] ?? '').includes('application/json')) refuse(NO_MODEL, null);
  if (raw === undefined || typeof raw !== 'object' || raw === null)
    refuse('We could not parse the JSON body of your request.', null);
  if (!('model' in Object(raw))) refuse(NO_MODEL, null);
};

/** Refuses what another provider serves. */
export const assertOpenaiModel = (model: string): void => {
  if (!/^(claude|gemini)/.test(model)) return;
  throw new RefusedRequest({
    status: 404,
    type: 'invalid_request_error',
    message: `The model \`${model}\` does not exist or you do not have access to it.`,
    code: 'model_not_found',
  });
};

/** Assistant turns may carry the reasoning that the server itself has shown. */
export const withoutReasoning = (messages: unknown): unknown =>
  Array.isArray(messages)
    ? messages.map((message: unknown) => {
        const {
          reasoning_content: _content,
          reasoning: _text,
          ...rest
        } = Object(message) as Record<string, unknown>;
        return rest;
      })
    : messages;

/** How one provider reads Chat Completions. */
export type ChatReading = {
  /** The body in OpenAI's own terms. Throws `RefusedRequest` for what the provider's schema refuses. */
  parse: (raw: unknown) => Body;
  /** What the provider refuses beyond its schema. */
  check: (request: Body) => void;
  reasoningOf: (request: Body) => Conversation['reasoning'];
};

/** Reads a request in the dialect as one provider speaks it; a deployment may be named by the address. */
export const readChatRequestAs =
  ({ parse, check, reasoningOf }: ChatReading) =>
  (raw: unknown, address: Address): AcceptedRequest => {
    const body = address.model === null ? raw : { ...Object(raw), model: address.model };
    assertJsonBody(body, address);
    const request = parse(body);
    checkToolMessages(request.messages);
    check(request);
    return {
      model: request.model,
      stream: request.stream ?? false,
      conversation: { ...readConversation(request), reasoning: reasoningOf(request) },
      includeUsage: request.stream_options?.include_usage ?? false,
      obfuscate: false,
      echo: request,
    };
  };

/** Reads a chat completion request as strictly as the API does. Throws `RefusedRequest`. */
export const readChatCompletionRequest = (raw: unknown, address: Address): AcceptedRequest => {
  assertJsonBody(raw, address);
  const parsed = chatCompletionBody.safeParse(raw);
  if (!parsed.success) throw new RefusedRequest(refusalOfIssue(parsed.error.issues, raw));
  const request = parsed.data;
  assertOpenaiModel(request.model);
  checkToolMessages(request.messages);
  checkOptions(request);
  return {
    model: request.model,
    stream: request.stream ?? false,
    conversation: readConversation(request),
    includeUsage: request.stream_options?.include_usage ?? false,
    obfuscate: request.stream_options?.include_obfuscation ?? true,
    echo: request,
  };
};
