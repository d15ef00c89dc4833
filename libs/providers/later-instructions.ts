import type { AssistantMessage, ChatMessage, UserMessage } from '#contracts/inference';
import type { Inexpressible } from '#domain/inexpressible';

/**
 * For a wire on which only the user and the model take turns: an instruction in the middle of the conversation
 * is refused by its role, or, where the client asked for leniency, said by the user in the same place.
 */
export const sayInstructionsAsUser = (
  messages: readonly ChatMessage[],
  inexpressible: Inexpressible,
): (UserMessage | AssistantMessage)[] =>
  messages.map((message) => {
    if (message.role !== 'system') return message;
    inexpressible.field('messages.role');
    return { role: 'user', content: message.content };
  });
