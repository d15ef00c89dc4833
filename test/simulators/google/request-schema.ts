import { z } from 'zod';

/** The fields the Gemini API knows; those nothing here depends on are taken as they come. */
const loose = z.unknown().optional();
const object = z.record(z.string(), z.unknown());
const functionName = z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$/);
const base64 = z.string().regex(/^[A-Za-z0-9+/_-]*={0,2}$/);

const partFields = {
  thought: z.boolean().optional(),
  thoughtSignature: base64.optional(),
  text: z.string().optional(),
  inlineData: z
    .strictObject({ mimeType: z.string().min(1), data: base64.min(1), displayName: z.string().optional() })
    .optional(),
  fileData: z
    .strictObject({ mimeType: z.string().optional(), fileUri: z.string().min(1), displayName: loose })
    .optional(),
  functionCall: z
    .strictObject({ id: z.string().optional(), name: z.string().min(1), args: object.optional() })
    .optional(),
  functionResponse: z
    .strictObject({
      id: z.string().optional(),
      name: z.string().min(1),
      response: object,
      parts: z.array(z.unknown()).optional(),
      willContinue: loose,
      scheduling: loose,
    })
    .optional(),
  executableCode: loose,
  codeExecutionResult: loose,
  videoMetadata: loose,
  mediaResolution: loose,
};
const part = z.strictObject(partFields);
export type GeminiPart = z.infer<typeof part>;
const content = z.strictObject({ role: z.string().optional(), parts: z.array(part).optional() });
export type GeminiContent = z.infer<typeof content>;

/** The OpenAPI subset of `parameters` and `responseSchema`; JSON Schema has fields of its own. */
const openapiSchema: z.ZodType = z.lazy(() =>
  z.strictObject({
    type: z
      .string()
      .regex(/^(type_unspecified|string|number|integer|boolean|array|object|null)$/i)
      .optional(),
    format: z.string().optional(),
    title: z.string().optional(),
    description: z.string().optional(),
    nullable: z.boolean().optional(),
    enum: z.array(z.string()).optional(),
    maxItems: loose,
    minItems: loose,
    properties: z.record(z.string(), openapiSchema).optional(),
    required: z.array(z.string()).optional(),
    minProperties: loose,
    maxProperties: loose,
    minLength: loose,
    maxLength: loose,
    pattern: z.string().optional(),
    example: loose,
    anyOf: z.array(openapiSchema).optional(),
    propertyOrdering: z.array(z.string()).optional(),
    default: loose,
    items: openapiSchema.optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
  }),
);

const functionDeclaration = z.strictObject({
  name: functionName,
  description: z.string().optional(),
  parameters: openapiSchema.optional(),
  parametersJsonSchema: loose,
  response: loose,
  responseJsonSchema: loose,
  behavior: loose,
});
const tool = z.strictObject({
  functionDeclarations: z.array(functionDeclaration).optional(),
  googleSearch: loose,
  googleSearchRetrieval: loose,
  codeExecution: loose,
  urlContext: loose,
  googleMaps: loose,
  fileSearch: loose,
  computerUse: loose,
});

const thinkingConfig = z.strictObject({
  includeThoughts: z.boolean().optional(),
  thinkingBudget: z.int().min(-1).optional(),
  thinkingLevel: z
    .string()
    .regex(/^(minimal|low|medium|high|thinking_level_unspecified)$/i)
    .optional(),
});

const generationConfig = z.strictObject({
  stopSequences: z.array(z.string().min(1)).max(5).optional(),
  responseMimeType: z.enum(['text/plain', 'application/json', 'text/x.enum']).optional(),
  responseSchema: openapiSchema.optional(),
  responseJsonSchema: loose,
  _responseJsonSchema: loose,
  responseFormat: loose,
  responseModalities: z.array(z.string()).optional(),
  candidateCount: z.int().min(1).max(8).optional(),
  maxOutputTokens: z.int().min(1).optional(),
  temperature: z.number().min(0).max(2).optional(),
  topP: z.number().min(0).max(1).optional(),
  topK: z.int().min(1).optional(),
  seed: z.int().optional(),
  presencePenalty: z.number().min(-2).max(2).optional(),
  frequencyPenalty: z.number().min(-2).max(2).optional(),
  responseLogprobs: z.boolean().optional(),
  logprobs: z.int().min(0).max(20).optional(),
  enableEnhancedCivicAnswers: loose,
  speechConfig: loose,
  thinkingConfig: thinkingConfig.optional(),
  imageConfig: loose,
  mediaResolution: loose,
});

export const generateContentBody = z.strictObject({
  model: z.string().optional(),
  contents: z.array(content).min(1),
  systemInstruction: content.optional(),
  tools: z.array(tool).optional(),
  toolConfig: z
    .strictObject({
      functionCallingConfig: z
        .strictObject({
          mode: z.enum(['MODE_UNSPECIFIED', 'AUTO', 'ANY', 'NONE', 'VALIDATED']).optional(),
          allowedFunctionNames: z.array(z.string()).optional(),
        })
        .optional(),
      retrievalConfig: loose,
      includeServerSideToolInvocations: loose,
    })
    .optional(),
  safetySettings: z
    .array(z.strictObject({ category: z.string(), threshold: z.string(), method: loose }))
    .optional(),
  generationConfig: generationConfig.optional(),
  cachedContent: z.string().optional(),
  serviceTier: z
    .string()
    .regex(/^(unspecified|standard|flex|priority)$/i)
    .optional(),
  store: z.boolean().optional(),
});
export type GenerateContentBody = z.infer<typeof generateContentBody>;

export const countTokensBody = z
  .strictObject({
    contents: z.array(content).min(1).optional(),
    generateContentRequest: generateContentBody.extend({ model: z.string() }).optional(),
  })
  .refine(
    ({ contents, generateContentRequest }) =>
      (contents === undefined) !== (generateContentRequest === undefined),
    {
      message: 'oneof field',
    },
  );

export const embedContentBody = z.strictObject({
  model: z.string().optional(),
  content,
  taskType: z
    .enum([
      'TASK_TYPE_UNSPECIFIED',
      'RETRIEVAL_QUERY',
      'RETRIEVAL_DOCUMENT',
      'SEMANTIC_SIMILARITY',
      'CLASSIFICATION',
      'CLUSTERING',
      'QUESTION_ANSWERING',
      'FACT_VERIFICATION',
      'CODE_RETRIEVAL_QUERY',
    ])
    .optional(),
  title: z.string().optional(),
  outputDimensionality: z.int().min(1).max(3072).optional(),
});
export type EmbedContentBody = z.infer<typeof embedContentBody>;
export const batchEmbedContentsBody = z.strictObject({
  requests: z
    .array(embedContentBody.extend({ model: z.string().regex(/^models\//) }))
    .min(1)
    .max(100),
});
