import { expect, it } from 'vitest';
import { KNOWN_VARIABLES } from './settings.ts';
import { findUnknownVariables } from './unknown-variables.ts';

it('asks about a misspelt variable', () => {
  expect(findUnknownVariables({ FLO2_PROT: '1', FLO2_ADMINKEY: 'x' }, KNOWN_VARIABLES).faults).toEqual([
    'FLO2_ADMINKEY is not a variable of flo2; did you mean FLO2_ADMIN_KEY?',
    'FLO2_PROT is not a variable of flo2; did you mean FLO2_PORT?',
  ]);
});

it('only mentions what is far from any of its own, such as what Kubernetes sets for a service', () => {
  const env = { FLO2_SERVICE_HOST: '10.0.0.1', FLO2_PORT_8080_TCP: 'tcp://10.0.0.1:8080', PATH: '/bin' };
  const unknown = findUnknownVariables(env, KNOWN_VARIABLES);
  expect(unknown.faults).toEqual([]);
  expect(unknown.warnings).toHaveLength(2);
});

it('says nothing of its own variables', () => {
  const env = Object.fromEntries([...KNOWN_VARIABLES].map((name) => [name, 'x']));
  expect(findUnknownVariables(env, KNOWN_VARIABLES)).toEqual({ faults: [], warnings: [] });
});
