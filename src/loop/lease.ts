/**
 * How long a claim holds without a sign of life. What a worker that was killed had in hand is another's after this; a living one renews its
 * claims well before. Milliseconds.
 */
export const LEASE_MS = 5000;
export const RENEW_EVERY_MS = 1500;
