/** The canonical form of a provider's count of a prompt's tokens; the prompt itself is a `ChatRequest`. */
export type TokenCountResponse = { inputTokens: number; cachedTokens?: number };
