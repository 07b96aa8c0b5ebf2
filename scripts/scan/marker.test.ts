import { expect, it } from 'vitest';
import { createEmulator } from '../../packages/emulator/dist/index.js';
import { plantedTexts, plantedVariables } from './planted.ts';

const MARKER = plantedVariables().HQ_EMULATOR_TOKEN_MARKER ?? '';

it('F96 the emulator begins every code and token with the marker of the test run', async () => {
  const emulator = await createEmulator({ tokenMarker: MARKER });
  try {
    const { HIGHQ_CLIENT_ID, HIGHQ_CLIENT_SECRET } = emulator.env;
    const { code } = await emulator.authorize();
    const exchange = async (grant: Record<string, string>): Promise<Record<string, string>> => {
      const response = await emulator.fetch('/acme/api/oauth2/token', {
        method: 'POST',
        headers: { accept: 'application/json' },
        body: new URLSearchParams({
          ...grant,
          client_id: HIGHQ_CLIENT_ID,
          client_secret: HIGHQ_CLIENT_SECRET,
        }),
      });
      return (await response.json()) as Record<string, string>;
    };
    const first = await exchange({ grant_type: 'authorization_code', code });
    const second = await exchange({ grant_type: 'refresh_token', refresh_token: first.refresh_token ?? '' });
    const issued = [code, first.access_token, first.refresh_token, second.access_token, second.refresh_token];
    // Whether, not what: a failure must not print them.
    expect(issued.map((text) => text?.startsWith(MARKER) && text.length > MARKER.length + 20)).toEqual(
      issued.map(() => true),
    );
  } finally {
    await emulator.close();
  }
});

it("F96 the client secret that is looked for is the emulator's default one", async () => {
  const emulator = await createEmulator();
  try {
    expect(plantedTexts(plantedVariables()).includes(emulator.env.HIGHQ_CLIENT_SECRET)).toBe(true);
  } finally {
    await emulator.close();
  }
});

it('reads the planted texts of an environment, and refuses a list of another form', () => {
  expect(plantedTexts({})).toEqual([]);
  expect(plantedTexts({ HQ_EMULATOR_TOKEN_MARKER: 'marker', HQ_PLANTED_SECRETS: '["a","b"]' })).toEqual([
    'marker',
    'a',
    'b',
  ]);
  expect(() => plantedTexts({ HQ_PLANTED_SECRETS: '{"a":1}' })).toThrow(TypeError);
});
