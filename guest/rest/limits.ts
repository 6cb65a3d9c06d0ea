/** As long as the reference waits for the attestation agent or the data hub (spec/rest-api.md 1). */
export const callTimeoutMs = 50_000;
