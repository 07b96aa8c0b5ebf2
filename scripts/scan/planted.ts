/** The emulator puts this at the start of every token and code that it issues during a test run. */
const TOKEN_MARKER = 'hqPLANTED7';
/** The client secret of the emulator's default registration. */
const DEFAULT_CLIENT_SECRET = 'dp3yp9zm6svZzUqduQH4CEYC2VgjwWLO';

/** What a test run exports, so that the emulator plants and the scan looks for the same texts. */
export function plantedVariables(): Record<string, string> {
  return {
    HQ_EMULATOR_TOKEN_MARKER: TOKEN_MARKER,
    HQ_PLANTED_SECRETS: JSON.stringify([DEFAULT_CLIENT_SECRET]),
  };
}

/** Every planted text of an environment: the marker, and the JSON list of further secrets. */
export function plantedTexts(env: NodeJS.ProcessEnv): string[] {
  const marker = env.HQ_EMULATOR_TOKEN_MARKER;
  const secrets: unknown = JSON.parse(env.HQ_PLANTED_SECRETS ?? '[]');
  if (!Array.isArray(secrets) || !secrets.every((text) => typeof text === 'string')) {
    throw new TypeError('HQ_PLANTED_SECRETS is not a JSON list of texts');
  }
  return marker ? [marker, ...secrets] : secrets;
}
