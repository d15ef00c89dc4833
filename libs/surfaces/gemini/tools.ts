import type { ChatRequest, ToolChoice, ToolDefinition } from '#contracts/inference';
import type { Inexpressible } from '#domain/inexpressible';
import {
  findInexpressible,
  given,
  optional,
  readList,
  readSchema,
  readText,
  readTexts,
  refuse,
  type JsonObject,
} from '../field-reader.ts';
import { readApiMessage } from './message.ts';
import { readApiSchema } from './schema.ts';

const NO_PARAMETERS = { type: 'object', properties: {} };

const FUNCTION_FIELDS = new Set(['name', 'description', 'parameters', 'parametersJsonSchema']);

const CHANGES_NOTHING = {
  behavior: (value: unknown): boolean => value === 'BLOCKING' || value === 'UNSPECIFIED',
  // What a function answers with is no bound on what the model may ask of it.
  response: () => true,
  responseJsonSchema: () => true,
};

const readDeclaration = (value: unknown, param: string, inexpressible: Inexpressible): ToolDefinition => {
  const declaration = readApiMessage(value, param);
  const translated = { expressible: FUNCTION_FIELDS, changesNothing: CHANGES_NOTHING, prefix: `${param}.` };
  findInexpressible(declaration, translated, inexpressible);
  return given({
    name: readText(declaration['name'], `${param}.name`),
    description: optional(declaration, 'description', readText, `${param}.`),
    inputSchema:
      optional(declaration, 'parametersJsonSchema', readSchema, `${param}.`) ??
      optional(declaration, 'parameters', readApiSchema, `${param}.`) ??
      NO_PARAMETERS,
  });
};

/** Everything but functions runs on the provider's side, and is the provider's alone. */
const readTools = (body: JsonObject, inexpressible: Inexpressible): ToolDefinition[] =>
  (optional(body, 'tools', readList) ?? []).flatMap((value, index) => {
    const param = `tools.${index}`;
    const { functionDeclarations, ...others } = readApiMessage(value, param);
    for (const [name, tool] of Object.entries(others)) {
      if (tool !== undefined && tool !== null) inexpressible.param(`${param}.${name}`);
    }
    if (functionDeclarations === undefined || functionDeclarations === null) return [];
    const at = `${param}.functionDeclarations`;
    return readList(functionDeclarations, at).map((declaration, position) =>
      readDeclaration(declaration, `${at}.${position}`, inexpressible),
    );
  });

const readMode = (mode: string, param: string, inexpressible: Inexpressible): ToolChoice | undefined => {
  switch (mode.toUpperCase()) {
    case 'MODE_UNSPECIFIED':
      return undefined;
    case 'AUTO':
      return { type: 'auto' };
    case 'ANY':
      return { type: 'required' };
    case 'NONE':
      return { type: 'none' };
    case 'VALIDATED':
      inexpressible.param(param);
      return { type: 'auto' };
    default:
      return refuse(param, 'must be "AUTO", "ANY", "NONE" or "VALIDATED".');
  }
};

/** A choice among some of the tools is the same choice among these alone. */
export const readToolUse = (
  body: JsonObject,
  inexpressible: Inexpressible,
): Pick<ChatRequest, 'tools' | 'toolChoice'> => {
  const tools = readTools(body, inexpressible);
  const toolConfig = optional(body, 'toolConfig', readApiMessage);
  if (toolConfig === undefined) return { tools };
  const { functionCallingConfig: callingConfig, ...others } = toolConfig;
  for (const [name, value] of Object.entries(others)) {
    if (value !== undefined && value !== null) inexpressible.param(`toolConfig.${name}`);
  }
  if (callingConfig === undefined || callingConfig === null) return { tools };
  const at = 'toolConfig.functionCallingConfig';
  const config = readApiMessage(callingConfig, at);
  if (config['streamFunctionCallArguments'] === true) {
    inexpressible.param(`${at}.streamFunctionCallArguments`);
  }
  const mode = optional(config, 'mode', readText, `${at}.`);
  const names = optional(config, 'allowedFunctionNames', readTexts, `${at}.`) ?? [];
  const toolChoice = mode === undefined ? undefined : readMode(mode, `${at}.mode`, inexpressible);
  if (names.length === 0) return given({ tools, toolChoice });
  const allowed = tools.filter(({ name }) => names.includes(name));
  if (allowed.length === 0) refuse(`${at}.allowedFunctionNames`, 'must name functions that are declared.');
  const [only, ...more] = allowed;
  return given({
    tools: allowed,
    toolChoice:
      toolChoice?.type === 'required' && only !== undefined && more.length === 0
        ? { type: 'tool' as const, name: only.name }
        : toolChoice,
  });
};
