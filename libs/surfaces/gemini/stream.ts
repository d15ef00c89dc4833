import type {
  AssistantPart,
  FinishReason,
  StreamPart,
  TokenLogprob,
  ToolCallPart,
} from '#contracts/inference';
import { UNKNOWN_USAGE, type Usage } from '#contracts/usage';
import { goesBack, type EncodeContext, type StreamEncoder } from '../surface.ts';
import { encodeCitation, encodeFinishReason, encodeLogprobs, encodePart, encodeUsage } from './response.ts';

/** Texts as they come, each call whole, and everything about the end in the last response. */
class GenerateStream {
  readonly #framing: EncodeContext['streamFraming'];
  #isFirst = true;
  #id = '';
  #model = '';
  #usage: Usage = UNKNOWN_USAGE;
  #finishReason: FinishReason = 'stop';
  /** In the order they began; their arguments may come by turns. */
  readonly #openCalls = new Map<number, ToolCallPart>();
  #logprobs: TokenLogprob[] = [];
  readonly #citationSources: object[] = [];
  /** What citations point into: the text since the last other part, and the bytes before it. */
  #text = '';
  #bytesBefore = 0;

  constructor({ streamFraming }: EncodeContext) {
    this.#framing = streamFraming;
  }

  encode(part: StreamPart): string {
    switch (part.type) {
      case 'start':
        this.#id = part.id;
        this.#model = part.model;
        return '';
      case 'text_delta':
      case 'refusal_delta':
        if (part.text === '') return '';
        this.#text += part.text;
        return this.#write([...this.#closeCalls(), { type: 'text', text: part.text }]);
      case 'reasoning_delta':
        return part.text === ''
          ? ''
          : this.#write([...this.#closeCalls(), { type: 'reasoning', text: part.text }]);
      case 'reasoning_seal':
        return this.#write([...this.#closeCalls(), { type: 'reasoning', text: '', seal: part.seal }]);
      case 'citation':
        this.#citationSources.push(encodeCitation(part.citation, this.#text, this.#bytesBefore));
        return '';
      case 'logprobs':
        this.#logprobs.push(...part.tokens);
        return '';
      case 'tool_call_start': {
        const { index, id, name, seal } = part;
        this.#endText();
        this.#openCalls.set(index, {
          type: 'tool_call',
          id,
          name,
          argumentsJson: '',
          ...(seal !== undefined && { seal }),
        });
        return '';
      }
      case 'tool_call_delta': {
        const call = this.#openCalls.get(part.index);
        if (call === undefined) throw goesBack();
        call.argumentsJson += part.argumentsDelta;
        return '';
      }
      case 'finish':
        this.#finishReason = part.reason;
        return '';
      case 'usage':
        this.#usage = part.usage;
        return '';
      case 'end':
        return this.#write(this.#closeCalls(), true) + (this.#framing === 'sse' ? '' : ']');
    }
  }

  #endText(): void {
    this.#bytesBefore += Buffer.byteLength(this.#text);
    this.#text = '';
  }

  #closeCalls(): AssistantPart[] {
    const calls = [...this.#openCalls.values()];
    this.#openCalls.clear();
    return calls;
  }

  #write(parts: readonly AssistantPart[], isLast = false): string {
    const logprobs = this.#logprobs;
    this.#logprobs = [];
    const sources = this.#citationSources;
    const json = JSON.stringify({
      candidates: [
        {
          content: { parts: parts.map(encodePart), role: 'model' },
          ...(isLast && { finishReason: encodeFinishReason(this.#finishReason) }),
          index: 0,
          ...(isLast && sources.length > 0 && { citationMetadata: { citationSources: sources } }),
          ...(logprobs.length > 0 && { logprobsResult: encodeLogprobs(logprobs) }),
        },
      ],
      ...(this.#usage.source !== 'none' && { usageMetadata: encodeUsage(this.#usage) }),
      modelVersion: this.#model,
      responseId: this.#id,
    });
    if (this.#framing === 'sse') return `data: ${json}\n\n`;
    const opening = this.#isFirst ? '[' : ',\n';
    this.#isFirst = false;
    return opening + json;
  }
}

export const createGenerateStreamEncoder = (_body: unknown, context: EncodeContext): StreamEncoder => {
  const stream = new GenerateStream(context);
  return { encode: (part) => stream.encode(part) };
};
