import type { Scenario } from './scenario.ts';
import { clientScenarios } from './scenarios/clients.ts';
import { hugeAnswerScenarios } from './scenarios/huge-answers.ts';
import { jobScenarios } from './scenarios/jobs.ts';
import { keyScenarios } from './scenarios/keys.ts';
import { killPointScenarios } from './scenarios/kill-points.ts';
import { outageScenarios } from './scenarios/outages.ts';
import { providerScenarios } from './scenarios/providers.ts';
import { queueScenarios } from './scenarios/queue.ts';
import { rollingScenarios } from './scenarios/rolling.ts';

export const SCENARIOS: readonly Scenario[] = [
  ...killPointScenarios,
  ...jobScenarios,
  ...outageScenarios,
  ...providerScenarios,
  ...hugeAnswerScenarios,
  ...keyScenarios,
  ...queueScenarios,
  ...clientScenarios,
  ...rollingScenarios,
];
