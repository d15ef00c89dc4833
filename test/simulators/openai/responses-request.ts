import type { Conversation, ConversationItem } from '../conversation.ts';
import { RefusedRequest } from '../provider.ts';
import type { AcceptedRequest, Address } from '../provider.ts';
import { isOwnEncryptedReasoning } from '../seal.ts';
import { assertJsonBody, assertOpenaiModel, isReasoningModel, parseArguments, readImage } from './request.ts';
import { refusalOfIssue } from './request-refusal.ts';
import { responsesBody } from './responses-schema.ts';
import type {
  ResponsesBody as Body,
  ResponsesInputPart as Part,
  ResponsesItem as Item,
} from './responses-schema.ts';
import { whyNotStrict } from './strict-schema.ts';

const refuse = (message: string, param: string | null, code: string | null = null, status = 400): never => {
  throw new RefusedRequest({ status, type: 'invalid_request_error', message, param, code });
};

const itemsOf = ({ input }: Body): Item[] =>
  typeof input === 'string' ? [{ role: 'user', content: input }] : (input ?? []);

const readFile = (part: Extract<Part, { type: 'input_file' }>, param: string): ConversationItem => {
  const data = part.file_data === undefined ? null : /^data:([^;]+);base64,(.*)$/s.exec(part.file_data);
  if (part.file_data !== undefined && data === null)
    refuse(`Invalid '${param}.file_data'. Expected a base64-encoded data URL.`, param, 'invalid_value');
  return {
    type: 'document',
    mediaType: data?.[1] ?? null,
    url: part.file_url ?? null,
    bytes: data === null ? null : Buffer.from(data[2] ?? '', 'base64').length,
  };
};

const itemsOfPart = (part: Part, param: string): ConversationItem => {
  switch (part.type) {
    case 'input_text':
      return { type: 'text', role: 'user', text: part.text };
    case 'input_image':
      return readImage(part.image_url ?? '', `${param}.image_url`);
    case 'input_file':
      return readFile(part, param);
  }
};

const isSystem = (item: Item): boolean =>
  'role' in item && (item.role === 'system' || item.role === 'developer');

const textOfParts = (content: string | readonly { type: string }[]): string =>
  typeof content === 'string'
    ? content
    : content.map((part) => String(Reflect.get(part, 'text') ?? '')).join('');

const conversationItemsOf = (item: Item, index: number): ConversationItem[] => {
  const at = `input[${index}]`;
  if ('role' in item) {
    if (isSystem(item)) return [];
    if (item.role === 'assistant')
      return [{ type: 'text', role: 'assistant', text: textOfParts(item.content) }];
    if (typeof item.content === 'string') return [{ type: 'text', role: 'user', text: item.content }];
    return item.content.map((part, position) => itemsOfPart(part, `${at}.content[${position}]`));
  }
  switch (item.type) {
    case 'function_call':
      return [
        { type: 'tool_call', id: item.call_id, name: item.name, arguments: parseArguments(item.arguments) },
      ];
    case 'function_call_output': {
      const result: ConversationItem = {
        type: 'tool_result',
        id: item.call_id,
        text: textOfParts(item.output),
        isError: false,
      };
      if (typeof item.output === 'string') return [result];
      const files = item.output
        .filter((part) => part.type !== 'input_text')
        .map((part, position) => itemsOfPart(part, `${at}.output[${position}]`));
      return [result, ...files];
    }
    case 'reasoning':
      return [];
  }
};

/** Every output answers a call before it, and every call has its output. */
const checkCalls = (items: readonly Item[]): void => {
  const called = new Set<string>();
  const answered = new Set<string>();
  items.forEach((item) => {
    if ('role' in item) return;
    if (item.type === 'function_call') called.add(item.call_id);
    if (item.type !== 'function_call_output') return;
    if (!called.has(item.call_id))
      refuse(`No tool call found for function call output with call_id ${item.call_id}.`, 'input');
    answered.add(item.call_id);
  });
  for (const id of called)
    if (!answered.has(id)) refuse(`No tool output found for function call ${id}.`, 'input');
};

/** What is not stored must come back whole, and reasoning as it was sent. */
const checkReasoning = (request: Body, refusesBare: boolean): void => {
  for (const item of itemsOf(request)) {
    if ('role' in item || item.type !== 'reasoning') continue;
    const sealed = item.encrypted_content ?? null;
    if (sealed === null) {
      if (refusesBare && request.store === false)
        refuse(
          `Item with id '${item.id}' not found. Items are not persisted when \`store\` is set to false. Try again with \`store\` set to true, or remove this item from your input.`,
          'input',
          null,
          404,
        );
    } else if (!isOwnEncryptedReasoning(sealed))
      refuse(
        `The encrypted content for item ${item.id} could not be verified.`,
        null,
        'invalid_encrypted_content',
      );
  }
};

const checkStrict = (request: Body): void => {
  const format = request.text?.format;
  if (format?.type === 'json_schema' && format.strict === true) {
    const why = whyNotStrict(format.schema);
    if (why !== null)
      refuse(
        `Invalid schema for response_format '${format.name}': ${why}`,
        'text.format.schema',
        'invalid_json_schema',
      );
  }
  (request.tools ?? []).forEach((tool, index) => {
    if (tool.type !== 'function' || tool['strict'] !== true) return;
    const why = whyNotStrict(tool['parameters']);
    if (why !== null)
      refuse(
        `Invalid schema for function '${tool['name']}': ${why}`,
        `tools[${index}].parameters`,
        'invalid_function_parameters',
      );
  });
};

const checkOptions = (request: Body, isReasoning: boolean): void => {
  const unsupported = (param: string): never =>
    refuse(
      `Unsupported parameter: '${param}' is not supported with this model.`,
      param,
      'unsupported_parameter',
    );
  if (request.input === undefined && request.prompt === undefined)
    refuse("Missing required parameter: 'input'.", 'input', 'missing_required_parameter');
  if (isReasoning) {
    if ((request.temperature ?? 1) !== 1) unsupported('temperature');
    if ((request.top_p ?? 1) !== 1) unsupported('top_p');
  } else {
    if ((request.reasoning?.effort ?? 'none') !== 'none') unsupported('reasoning.effort');
    if (request.include?.includes('reasoning.encrypted_content') === true)
      refuse('Encrypted content is not supported with this model.', 'include');
  }
  const { tool_choice: choice, tools = [] } = request;
  if (typeof choice === 'object' && choice.type === 'function') {
    const { name } = choice;
    if (!tools.some((tool) => 'name' in tool && tool.name === name))
      refuse(`Tool choice '${String(name)}' not found in 'tools' parameter.`, 'tool_choice');
  }
  if (choice === 'required' && tools.length === 0)
    refuse("Tool choice 'required' must be specified with 'tools' parameter.", 'tool_choice');
  if (
    request.text?.format?.type === 'json_object' &&
    !/json/i.test(JSON.stringify([request.input, request.instructions]))
  )
    refuse(
      "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.",
      'input',
    );
};

const toolChoiceOf = ({ tool_choice: choice = 'auto' }: Body): Conversation['toolChoice'] => {
  if (typeof choice === 'string') return choice;
  return choice.type === 'function' && 'name' in choice ? { name: String(choice.name) } : 'auto';
};

const reasoningOf = (request: Body, isReasoning: boolean): Conversation['reasoning'] => {
  if (!isReasoning) return 'none';
  if (['none', 'minimal'].includes(request.reasoning?.effort ?? '')) return 'none';
  return (request.reasoning?.summary ?? null) === null ? 'hidden' : 'shown';
};

const jsonSchemaOf = ({ text }: Body): unknown => {
  const format = text?.format;
  if (format === undefined || format.type === 'text') return null;
  return format.type === 'json_schema' ? format.schema : {};
};

const readConversation = (request: Body, isReasoning: boolean): Conversation => {
  const items = itemsOf(request);
  const instructions = request.instructions ?? '';
  return {
    system: [
      ...(instructions === '' ? [] : [instructions]),
      ...items.filter(isSystem).map((item) => ('content' in item ? textOfParts(item.content ?? '') : '')),
    ].join('\n'),
    items: items.flatMap(conversationItemsOf),
    tools: (request.tools ?? []).flatMap((tool) =>
      tool.type === 'function' ? [{ name: tool['name'], schema: tool['parameters'] ?? {} }] : [],
    ),
    toolChoice: toolChoiceOf(request),
    parallelToolCalls: request.parallel_tool_calls ?? true,
    maxOutputTokens: request.max_output_tokens ?? null,
    temperature: request.temperature ?? null,
    topP: request.top_p ?? null,
    stop: [],
    reasoning: reasoningOf(request, isReasoning),
    jsonSchema: jsonSchemaOf(request),
  };
};

/** Which models a server of the API has, and which of them reason. */
export type ResponsesModels = {
  /** Throws `RefusedRequest` for a model it does not have. */
  assertOwn: (model: string) => void;
  isReasoning: (model: string) => boolean;
  /** Whether reasoning that is neither stored nor sealed is refused when it comes back. */
  refusesBareReasoning: boolean;
};

const OPENAI_MODELS: ResponsesModels = {
  assertOwn: assertOpenaiModel,
  isReasoning: isReasoningModel,
  refusesBareReasoning: true,
};

/** Reads a request of the Responses API as strictly as OpenAI does. Throws `RefusedRequest`. */
export const readResponsesRequestFor =
  ({ assertOwn, isReasoning, refusesBareReasoning }: ResponsesModels) =>
  (raw: unknown, address: Address): AcceptedRequest => {
    assertJsonBody(raw, address);
    const parsed = responsesBody.safeParse(raw);
    if (!parsed.success) throw new RefusedRequest(refusalOfIssue(parsed.error.issues, raw));
    const request = parsed.data;
    assertOwn(request.model);
    const reasons = isReasoning(request.model);
    checkCalls(itemsOf(request));
    checkReasoning(request, refusesBareReasoning);
    checkStrict(request);
    checkOptions(request, reasons);
    return {
      model: request.model,
      stream: request.stream ?? false,
      conversation: readConversation(request, reasons),
      includeUsage: true,
      obfuscate: request.stream_options?.include_obfuscation ?? true,
      echo: request,
    };
  };

export const readResponsesRequest = readResponsesRequestFor(OPENAI_MODELS);
