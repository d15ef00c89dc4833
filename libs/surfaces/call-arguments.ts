import type { ToolCallPart } from '#contracts/inference';
import { isObject, type JsonObject } from './field-reader.ts';

/** Arguments that are no JSON object, which models write at times, stay readable under one name. */
export const parseArguments = ({ argumentsJson }: Pick<ToolCallPart, 'argumentsJson'>): JsonObject => {
  if (argumentsJson.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(argumentsJson);
    return isObject(value) ? value : { value };
  } catch {
    return { raw_arguments: argumentsJson };
  }
};
