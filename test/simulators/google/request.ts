import type { Conversation, ConversationItem } from '../conversation.ts';
import { readBase64Image, remoteImage } from '../conversation.ts';
import { RefusedRequest } from '../provider.ts';
import type { AcceptedRequest, Address } from '../provider.ts';
import { isOwnEncryptedReasoning } from '../seal.ts';
import { invalidArgument, refusalOfIssue } from './request-refusal.ts';
import { countTokensBody, generateContentBody } from './request-schema.ts';
import type {
  GenerateContentBody as Body,
  GeminiContent as Content,
  GeminiPart as Part,
} from './request-schema.ts';

const refuse = (message: string): never => {
  throw new RefusedRequest(invalidArgument(message));
};

/** What the API documents for histories that come from other models. */
const FOREIGN_SIGNATURES = new Set([
  'context_engineering_is_the_way_to_go',
  'skip_thought_signature_validator',
]);

const PART_KINDS = [
  'text',
  'inlineData',
  'fileData',
  'functionCall',
  'functionResponse',
  'executableCode',
  'codeExecutionResult',
] as const;

const partsOf = (entry: Content): Part[] => entry.parts ?? [];

const fileItem = (mediaType: string, data: string): ConversationItem => {
  if (!mediaType.startsWith('image/')) {
    const bytes = Buffer.from(data, 'base64').length;
    return mediaType.startsWith('audio/')
      ? { type: 'audio', format: mediaType.slice('audio/'.length), bytes }
      : { type: 'document', mediaType, url: null, bytes };
  }
  const image = readBase64Image(mediaType, data);
  return image === null ? refuse('Unable to process input image.') : { type: 'image', ...image };
};

const itemsOfPart = (part: Part, isModel: boolean): ConversationItem[] => {
  if (part.thought === true) return [];
  if (part.text !== undefined)
    return part.text === '' ? [] : [{ type: 'text', role: isModel ? 'assistant' : 'user', text: part.text }];
  if (part.inlineData !== undefined) return [fileItem(part.inlineData.mimeType, part.inlineData.data)];
  if (part.fileData !== undefined) {
    const { mimeType = null, fileUri } = part.fileData;
    return mimeType === null || mimeType.startsWith('image/')
      ? [{ type: 'image', ...remoteImage(fileUri) }]
      : [{ type: 'document', mediaType: mimeType, url: fileUri, bytes: null }];
  }
  if (part.functionCall !== undefined) {
    const { id = '', name, args = {} } = part.functionCall;
    return [{ type: 'tool_call', id, name, arguments: args }];
  }
  if (part.functionResponse !== undefined) {
    const { id = '', response } = part.functionResponse;
    const { output, result, error } = response;
    const said = error ?? output ?? result ?? response;
    const text = typeof said === 'string' ? said : JSON.stringify(said);
    return [{ type: 'tool_result', id, text, isError: error !== undefined }];
  }
  return [];
};

const checkPart = (part: Part, at: string): void => {
  const kinds = PART_KINDS.filter((kind) => part[kind] !== undefined);
  if (kinds.length > 1) refuse(`Invalid value at '${at}' (oneof), oneof field 'data' is already set.`);
  if (kinds.length === 0 && part.thoughtSignature === undefined)
    refuse(`${at}.data: required oneof field 'data' must have one initialized field`);
  const signature = part.thoughtSignature;
  if (signature !== undefined && !FOREIGN_SIGNATURES.has(signature) && !isOwnEncryptedReasoning(signature))
    refuse('Thought signature is not valid.');
};

const countParts = (entry: Content | undefined, kind: 'functionCall' | 'functionResponse'): number =>
  entry === undefined ? 0 : partsOf(entry).filter((part) => part[kind] !== undefined).length;

/** Calls come from the model and are answered in the turn right after, each once. */
const checkCalls = (contents: readonly Content[]): void => {
  contents.forEach((entry, index) => {
    const isModel = entry.role === 'model';
    if (!isModel && countParts(entry, 'functionCall') > 0)
      refuse('Please ensure that function call turn comes from the model.');
    const responses = countParts(entry, 'functionResponse');
    const calledBefore = index === 0 ? 0 : countParts(contents[index - 1], 'functionCall');
    if (responses !== calledBefore)
      refuse(
        'Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.',
      );
    if (index === 0 && isModel && countParts(entry, 'functionCall') > 0)
      refuse(
        'Please ensure that function call turn comes immediately after a user turn or after a function response turn.',
      );
  });
  if (countParts(contents.at(-1), 'functionCall') > 0)
    refuse('Please ensure that a function call turn is followed by its function response turn.');
};

/** The newer models want their own signature back on the first call of each step of the current turn. */
const checkSignatures = (contents: readonly Content[], model: string): void => {
  if (!model.startsWith('gemini-3')) return;
  const turn = contents.findLastIndex(
    (entry) => entry.role !== 'model' && partsOf(entry).some(({ text }) => text !== undefined),
  );
  contents.slice(turn + 1).forEach((entry, offset) => {
    const first = partsOf(entry).find((part) => part.functionCall !== undefined);
    if (first?.functionCall !== undefined && first.thoughtSignature === undefined)
      refuse(
        `Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly. Additional data, function call \`default_api:${first.functionCall.name}\`, position ${turn + 2 + offset}.`,
      );
  });
};

const checkContents = (contents: readonly Content[], model: string): void => {
  contents.forEach((entry, index) => {
    if (!['user', 'model', 'function', undefined].includes(entry.role))
      refuse('Please use a valid role: user, model.');
    if (partsOf(entry).length === 0)
      refuse(`* GenerateContentRequest.contents[${index}].parts: contents.parts must not be empty.`);
    partsOf(entry).forEach((part, position) => checkPart(part, `contents[${index}].parts[${position}]`));
  });
  checkCalls(contents);
  checkSignatures(contents, model);
};

const thinks = (model: string): boolean => /^gemini-(2\.5|3)/.test(model);

const checkThinking = ({ generationConfig }: Body, model: string): void => {
  const thinking = generationConfig?.thinkingConfig;
  if (thinking === undefined) return;
  if (!thinks(model)) refuse('Thinking is not supported for this model.');
  if (thinking.thinkingLevel !== undefined && thinking.thinkingBudget !== undefined)
    refuse('You can only set only one of thinking budget and thinking level.');
  if (thinking.thinkingLevel !== undefined && !model.startsWith('gemini-3'))
    refuse('Thinking level is not supported for this model.');
  if (thinking.thinkingBudget === 0 && model.includes('pro'))
    refuse('Budget 0 is invalid. This model only works in thinking mode.');
};

const declarationsOf = (request: Body) =>
  (request.tools ?? []).flatMap((tool) => tool.functionDeclarations ?? []);

const checkOptions = (request: Body, model: string): void => {
  checkThinking(request, model);
  const config = request.generationConfig ?? {};
  const schemas = [config.responseSchema, config.responseJsonSchema, config['_responseJsonSchema']];
  const given = schemas.filter((schema) => schema !== undefined).length;
  if (given > 1) refuse('Only one of response_schema and response_json_schema may be set.');
  if (given > 0 && !['application/json', 'text/x.enum'].includes(config.responseMimeType ?? ''))
    refuse('Response schema is only supported with response mime type application/json or text/x.enum.');
  if (config.logprobs !== undefined && config.responseLogprobs !== true)
    refuse('Logprobs is only allowed when response_logprobs is true.');
  const names = declarationsOf(request).map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) refuse(`Duplicate function declaration found: ${twice}`);
  const calling = request.toolConfig?.functionCallingConfig;
  if (calling?.mode === 'ANY' && names.length === 0)
    refuse('Function calling config is set without function_declarations.');
  if (calling?.allowedFunctionNames !== undefined) {
    if (calling.mode !== 'ANY' && calling.mode !== 'VALIDATED')
      refuse('Allowed function names should only be set when function calling mode is ANY or VALIDATED.');
    const unknown = calling.allowedFunctionNames.find((name) => !names.includes(name));
    if (unknown !== undefined) refuse(`Allowed function name ${unknown} is not declared.`);
  }
  for (const { parameters, parametersJsonSchema } of declarationsOf(request))
    if (parameters !== undefined && parametersJsonSchema !== undefined)
      refuse('Only one of parameters and parameters_json_schema may be set.');
};

const toolChoiceOf = (request: Body): Conversation['toolChoice'] => {
  const { mode = 'AUTO', allowedFunctionNames } = request.toolConfig?.functionCallingConfig ?? {};
  if (mode === 'NONE') return 'none';
  if (mode !== 'ANY') return 'auto';
  const [only] = allowedFunctionNames ?? [];
  return only !== undefined && allowedFunctionNames?.length === 1 ? { name: only } : 'required';
};

const reasoningOf = ({ generationConfig }: Body, model: string): Conversation['reasoning'] => {
  const thinking = generationConfig?.thinkingConfig;
  if (!thinks(model) || thinking?.thinkingBudget === 0) return 'none';
  return thinking?.includeThoughts === true ? 'shown' : 'hidden';
};

/** The OpenAPI subset may write its types in capitals. */
const lowerTypes = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(lowerTypes);
  if (typeof schema !== 'object' || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) =>
      key === 'type' && typeof value === 'string' ? [key, value.toLowerCase()] : [key, lowerTypes(value)],
    ),
  );
};

const jsonSchemaOf = ({ generationConfig: config = {} }: Body): unknown => {
  if (config.responseMimeType !== 'application/json') return null;
  return (
    config.responseJsonSchema ?? config['_responseJsonSchema'] ?? lowerTypes(config.responseSchema) ?? {}
  );
};

const readConversation = (request: Body, model: string): Conversation => {
  const config = request.generationConfig ?? {};
  return {
    system: partsOf(request.systemInstruction ?? {})
      .map(({ text }) => text ?? '')
      .join('\n'),
    items: request.contents.flatMap((entry) =>
      partsOf(entry).flatMap((part) => itemsOfPart(part, entry.role === 'model')),
    ),
    tools: declarationsOf(request).map(({ name, parameters, parametersJsonSchema }) => ({
      name,
      schema: parametersJsonSchema ?? lowerTypes(parameters) ?? {},
    })),
    toolChoice: toolChoiceOf(request),
    parallelToolCalls: true,
    maxOutputTokens: config.maxOutputTokens ?? null,
    temperature: config.temperature ?? null,
    topP: config.topP ?? null,
    stop: config.stopSequences ?? [],
    reasoning: reasoningOf(request, model),
    jsonSchema: jsonSchemaOf(request),
  };
};

/** The models of other providers are not found. */
export const assertGeminiModel = (model: string, method: string): void => {
  if (/^(gemini|gemma|sim-)/.test(model)) return;
  throw new RefusedRequest({
    status: 404,
    type: 'NOT_FOUND',
    message: `models/${model} is not found for API version v1beta, or is not supported for ${method}. Call ListModels to see the list of available models and their supported methods.`,
  });
};

const acceptBody = (request: Body, model: string, stream: boolean): AcceptedRequest => {
  checkContents(request.contents, model);
  checkOptions(request, model);
  return {
    model,
    stream,
    conversation: readConversation(request, model),
    includeUsage: true,
    obfuscate: false,
    echo: request,
  };
};

export const assertObject = (raw: unknown): void => {
  if (typeof raw !== 'object' || raw === null)
    refuse('Invalid JSON payload received. Unexpected end of string. Expected a value.');
};

/** Reads a request of `generateContent` as strictly as the API does. Throws `RefusedRequest`. */
export const readGenerateContent = (raw: unknown, { model }: Address, stream: boolean): AcceptedRequest => {
  assertObject(raw);
  assertGeminiModel(model ?? '', 'generateContent');
  const parsed = generateContentBody.safeParse(raw);
  if (!parsed.success) throw new RefusedRequest(refusalOfIssue(parsed.error.issues, raw));
  return acceptBody(parsed.data, model ?? '', stream);
};

/** A count takes contents alone, or a whole request. */
export const readCountTokens = (raw: unknown, { model }: Address): AcceptedRequest => {
  assertObject(raw);
  assertGeminiModel(model ?? '', 'countTokens');
  const parsed = countTokensBody.safeParse(raw);
  if (!parsed.success) throw new RefusedRequest(refusalOfIssue(parsed.error.issues, raw));
  const { contents = [], generateContentRequest } = parsed.data;
  return acceptBody(generateContentRequest ?? { contents }, model ?? '', false);
};
