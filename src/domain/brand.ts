/** A string or number that carries its meaning in its type, so that a room id can't be passed where an event id is asked. */
declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Matrix identifiers (Matrix specification, appendix "Identifier grammar"). */
export type UserId = Brand<string, 'UserId'>;
export type RoomId = Brand<string, 'RoomId'>;
export type EventId = Brand<string, 'EventId'>;
export type ServerName = Brand<string, 'ServerName'>;

/** Aceso's own identifiers. None is derived from PHI without a keyed hash. */
export type FactId = Brand<string, 'FactId'>;
export type EffectId = Brand<string, 'EffectId'>;
export type DeliveryId = Brand<string, 'DeliveryId'>;
export type ReportId = Brand<string, 'ReportId'>;
/** Bytes that are kept apart from the fact that brought them: a keyed hash of their subject and content. */
export type BlobId = Brand<string, 'BlobId'>;
export type PartyId = Brand<string, 'PartyId'>;
export type SourceId = Brand<string, 'SourceId'>;
/** Keyed pseudonym of the person that data is about: the name of the data key that seals it. */
export type SubjectId = Brand<string, 'SubjectId'>;

/** Milliseconds since the Unix epoch. */
export type Millis = Brand<number, 'Millis'>;

/** The form of a room's id in all versions of rooms, 255 bytes at most (appendix "Common Identifier Format"): whatever else somebody calls one comes into no log. */
export const isRoomId = (value: unknown): value is RoomId => typeof value === 'string' && /^![^\s\p{C}]{1,254}$/u.test(value) && new TextEncoder().encode(value).length <= 255;

/** Gives a value its brand. For the edges alone: parsers, stores, tests. */
export const as = <B extends Brand<string, string> | Brand<number, string>>(value: B extends string ? string : number): B => value as unknown as B;
