import type { Seal, StreamPart, TokenLogprob } from '#contracts/inference';
import { UNKNOWN_USAGE } from '#contracts/usage';
import { encodeLogprobs } from '../openai/options.ts';
import { wrapSeal, writeSeal } from '../seal-text.ts';
import { goesBack, type EncodeContext, type StreamEncoder } from '../surface.ts';
import {
  encodeAnnotations,
  encodeResponseObject,
  itemIdOf,
  statusOf,
  type OutputItem,
  type ResponseState,
} from './response.ts';

type Part<Type extends StreamPart['type']> = Extract<StreamPart, { type: Type }>;

type OpenMessage = {
  kind: 'message';
  position: number;
  id: string;
  content: object[];
  /** The part that is being written. */
  part: { type: 'output_text' | 'refusal'; text: string; annotations: object[]; logprobs: object[] } | null;
};
type OpenReasoning = { kind: 'reasoning'; position: number; id: string; text: string };
type OpenCall = { position: number; id: string; callId: string; name: string; argumentsJson: string };

const encodePart = ({ type, text, annotations, logprobs }: NonNullable<OpenMessage['part']>): object =>
  type === 'refusal' ? { type, refusal: text } : { type, text, annotations, logprobs };

/**
 * The events of a streamed response, numbered without gaps. Every item is opened, written and closed; the
 * last event holds the whole answer again. Calls stay open until something else follows, since their
 * arguments may come by turns.
 */
class ResponsesStream {
  readonly #context: EncodeContext;
  readonly #body: unknown;
  readonly #output: OutputItem[] = [];
  readonly #state: ResponseState = {
    id: '',
    model: '',
    finishReason: null,
    output: [],
    usage: UNKNOWN_USAGE,
  };
  #sequence = 0;
  #positions = 0;
  #open: OpenMessage | OpenReasoning | null = null;
  readonly #calls = new Map<number, OpenCall>();
  /** Of the text that comes next. */
  #logprobs: TokenLogprob[] = [];

  constructor(body: unknown, context: EncodeContext) {
    this.#body = body;
    this.#context = context;
  }

  encode(part: StreamPart): string {
    switch (part.type) {
      case 'start':
        this.#state.id = part.id;
        this.#state.model = part.model;
        return this.#respond('response.created') + this.#respond('response.in_progress');
      case 'text_delta':
        return part.text === '' ? '' : this.#writeText('output_text', part.text);
      case 'refusal_delta':
        return part.text === '' ? '' : this.#writeText('refusal', part.text);
      case 'citation':
        return this.#annotate(part);
      case 'logprobs':
        this.#logprobs.push(...part.tokens);
        return '';
      case 'reasoning_delta':
        return part.text === '' ? '' : this.#writeReasoning(part.text);
      case 'reasoning_seal':
        return this.#seal(part.seal);
      case 'tool_call_start':
        return this.#startCall(part);
      case 'tool_call_delta':
        return this.#writeCall(part);
      case 'finish':
        this.#state.finishReason = part.reason;
        return this.#close();
      case 'usage':
        this.#state.usage = part.usage;
        return '';
      case 'end': {
        this.#state.finishReason ??= 'stop';
        const closed = this.#close();
        this.#state.output = this.#output;
        return closed + this.#respond(`response.${statusOf(this.#state)}`);
      }
    }
  }

  #event(type: string, fields: object): string {
    const data = { type, sequence_number: this.#sequence, ...fields };
    this.#sequence += 1;
    return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
  }

  #respond(type: string): string {
    return this.#event(type, { response: encodeResponseObject(this.#state, this.#context, this.#body) });
  }

  #place(prefix: 'msg' | 'rs' | 'fc'): { position: number; id: string } {
    const position = this.#positions;
    this.#positions += 1;
    return { position, id: itemIdOf(prefix, this.#state.id, position) };
  }

  #added(position: number, item: OutputItem): string {
    return this.#event('response.output_item.added', { output_index: position, item });
  }

  #done(position: number, item: OutputItem): string {
    this.#output[position] = item;
    return this.#event('response.output_item.done', { output_index: position, item });
  }

  #writeText(type: 'output_text' | 'refusal', text: string): string {
    let written = '';
    let open = this.#open;
    if (open?.kind !== 'message') {
      written += this.#close();
      open = { kind: 'message', ...this.#place('msg'), content: [], part: null };
      this.#open = open;
      const { id, position } = open;
      written += this.#added(position, {
        id,
        type: 'message',
        status: 'in_progress',
        role: 'assistant',
        content: [],
      });
    }
    if (open.part?.type !== type) {
      written += this.#closePart(open);
      open.part = { type, text: '', annotations: [], logprobs: [] };
      written += this.#event('response.content_part.added', {
        ...this.#at(open),
        part: encodePart(open.part),
      });
    }
    const logprobs = encodeLogprobs(this.#logprobs);
    this.#logprobs = [];
    open.part.text += text;
    open.part.logprobs.push(...logprobs);
    return (
      written +
      this.#event(`response.${type}.delta`, {
        ...this.#at(open),
        delta: text,
        ...(type === 'output_text' && { logprobs }),
      })
    );
  }

  #at({ id, position, content }: OpenMessage): object {
    return { item_id: id, output_index: position, content_index: content.length };
  }

  #annotate({ citation }: Part<'citation'>): string {
    const open = this.#open;
    if (open?.kind !== 'message' || open.part === null) return '';
    const { part } = open;
    return encodeAnnotations({ citations: [citation] })
      .map((annotation) => {
        part.annotations.push(annotation);
        return this.#event('response.output_text.annotation.added', {
          ...this.#at(open),
          annotation_index: part.annotations.length - 1,
          annotation,
        });
      })
      .join('');
  }

  #closePart(open: OpenMessage): string {
    const { part } = open;
    if (part === null) return '';
    open.part = null;
    const { type, text, logprobs } = part;
    const at = this.#at(open);
    const done = this.#event(`response.${type}.done`, {
      ...at,
      ...(type === 'refusal' ? { refusal: text } : { text, logprobs }),
    });
    const encoded = encodePart(part);
    open.content.push(encoded);
    return done + this.#event('response.content_part.done', { ...at, part: encoded });
  }

  #writeReasoning(text: string): string {
    let written = '';
    let open = this.#open;
    if (open?.kind !== 'reasoning') {
      written += this.#close();
      open = { kind: 'reasoning', ...this.#place('rs'), text: '' };
      this.#open = open;
      written += this.#added(open.position, { id: open.id, type: 'reasoning', summary: [] });
    }
    const at = { item_id: open.id, output_index: open.position, summary_index: 0 };
    if (open.text === '') {
      const part = { type: 'summary_text', text: '' };
      written += this.#event('response.reasoning_summary_part.added', { ...at, part });
    }
    open.text += text;
    return written + this.#event('response.reasoning_summary_text.delta', { ...at, delta: text });
  }

  #closeReasoning({ id, position, text }: OpenReasoning, encrypted: string | null): string {
    let written = '';
    if (text !== '') {
      const at = { item_id: id, output_index: position, summary_index: 0 };
      const part = { type: 'summary_text', text };
      written +=
        this.#event('response.reasoning_summary_text.done', { ...at, text }) +
        this.#event('response.reasoning_summary_part.done', { ...at, part });
    }
    const item = {
      id,
      type: 'reasoning',
      summary: text === '' ? [] : [{ type: 'summary_text', text }],
      ...(encrypted !== null && { encrypted_content: encrypted }),
    };
    return written + this.#done(position, item);
  }

  #seal(seal: Seal): string {
    const encrypted = writeSeal(seal, 'openai');
    const open = this.#open;
    if (open?.kind === 'reasoning') {
      this.#open = null;
      return this.#closeReasoning(open, encrypted);
    }
    return this.#close() + this.#writeSeal(encrypted);
  }

  /** What is sealed is not shown, or belongs to the call after it. */
  #writeSeal(encrypted: string): string {
    const place = this.#place('rs');
    const added = this.#added(place.position, { id: place.id, type: 'reasoning', summary: [] });
    return added + this.#closeReasoning({ kind: 'reasoning', ...place, text: '' }, encrypted);
  }

  #startCall({ index, id: callId, name, seal }: Part<'tool_call_start'>): string {
    let written = this.#closeOpen();
    if (seal !== undefined) written += this.#writeSeal(wrapSeal(seal, callId));
    const call: OpenCall = { ...this.#place('fc'), callId, name, argumentsJson: '' };
    this.#calls.set(index, call);
    return written + this.#added(call.position, this.#encodeCall(call, 'in_progress'));
  }

  #encodeCall({ id, callId, name, argumentsJson }: OpenCall, status: string): OutputItem {
    return { id, type: 'function_call', status, call_id: callId, name, arguments: argumentsJson };
  }

  #writeCall({ index, argumentsDelta }: Part<'tool_call_delta'>): string {
    const call = this.#calls.get(index);
    if (call === undefined) throw goesBack();
    call.argumentsJson += argumentsDelta;
    return this.#event('response.function_call_arguments.delta', {
      item_id: call.id,
      output_index: call.position,
      delta: argumentsDelta,
    });
  }

  #closeOpen(): string {
    const open = this.#open;
    this.#open = null;
    if (open === null) return '';
    if (open.kind === 'reasoning') return this.#closeReasoning(open, null);
    const closed = this.#closePart(open);
    const { id, position, content } = open;
    return (
      closed + this.#done(position, { id, type: 'message', status: 'completed', role: 'assistant', content })
    );
  }

  #close(): string {
    let written = this.#closeOpen();
    for (const call of this.#calls.values()) {
      const { id, position, argumentsJson, name } = call;
      const at = { item_id: id, output_index: position };
      written +=
        this.#event('response.function_call_arguments.done', { ...at, name, arguments: argumentsJson }) +
        this.#done(position, this.#encodeCall(call, 'completed'));
    }
    this.#calls.clear();
    return written;
  }
}

export const createResponsesStreamEncoder = (body: unknown, context: EncodeContext): StreamEncoder => {
  const stream = new ResponsesStream(body, context);
  return { encode: (part) => stream.encode(part) };
};
