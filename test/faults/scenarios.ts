import type { Scenario } from './scenario.ts';
import { killPointScenarios } from './scenarios/kill-points.ts';

export const SCENARIOS: readonly Scenario[] = [...killPointScenarios];
