/** ServiceProviderConfig, ResourceTypes and Schemas (RFC 7643 §5 to §7): what is here, and nothing more. */
import { PAGE } from './config.ts';
import { listOf } from './reply.ts';
import { ACESO, ENTERPRISE, USER } from './user.ts';

export const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';

export const serviceProviderConfig = (base: string): object => ({
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
  patch: { supported: true }, bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 }, filter: { supported: true, maxResults: PAGE },
  changePassword: { supported: false }, sort: { supported: false }, etag: { supported: false },
  authenticationSchemes: [{ type: 'oauthbearertoken', name: 'Bearer token', description: 'A token that the hospital gave out (RFC 6750), or any other way in which a source proves itself.', primary: true }],
  meta: { resourceType: 'ServiceProviderConfig', location: `${base}/ServiceProviderConfig` },
});

const resourceType = (base: string, name: 'User' | 'Group', schema: string, extensions: readonly string[]): object => ({
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:ResourceType'], id: name, name, endpoint: `/${name}s`, schema,
  ...(extensions.length === 0 ? {} : { schemaExtensions: extensions.map((extension) => ({ schema: extension, required: false })) }),
  meta: { resourceType: 'ResourceType', location: `${base}/ResourceTypes/${name}` },
});

export const resourceTypes = (base: string): ReadonlyMap<string, object> => new Map([['User', resourceType(base, 'User', USER, [ENTERPRISE, ACESO])], ['Group', resourceType(base, 'Group', GROUP, [])]]);

type Attribute = { readonly name: string; readonly required?: true; readonly unique?: true; readonly type?: 'string' | 'boolean' | 'complex'; readonly many?: true; readonly of?: readonly Attribute[]; readonly description: string };

const attribute = ({ name, required, unique, type = 'string', many, of, description }: Attribute): object => ({
  name, type, multiValued: many === true, description, required: required === true, caseExact: false, mutability: 'readWrite', returned: 'default', uniqueness: unique ? 'server' : 'none',
  ...(of === undefined ? {} : { subAttributes: of.map(attribute) }),
});

const schema = (base: string, id: string, name: string, attributes: readonly Attribute[]): readonly [string, object] =>
  [id, { schemas: ['urn:ietf:params:scim:schemas:core:2.0:Schema'], id, name, attributes: attributes.map(attribute), meta: { resourceType: 'Schema', location: `${base}/Schemas/${id}` } }];

export const schemas = (base: string): ReadonlyMap<string, object> => new Map([
  schema(base, USER, 'User', [
    { name: 'userName', required: true, unique: true, description: 'Their name at the identity provider' },
    { name: 'name', type: 'complex', description: 'Their name', of: [{ name: 'formatted', description: 'Whole' }, { name: 'givenName', description: 'Given name' }, { name: 'familyName', description: 'Family name' }] },
    { name: 'displayName', description: 'As colleagues see it' }, { name: 'title', description: 'Their title' },
    { name: 'active', type: 'boolean', description: 'False: they have left, and may nothing' },
  ]),
  schema(base, ENTERPRISE, 'EnterpriseUser', [{ name: 'employeeNumber', description: 'Staff number' }, { name: 'department', description: 'Department' }, { name: 'organization', description: 'Whose staff they are' }]),
  schema(base, ACESO, 'AcesoUser', [{ name: 'matrixId', description: 'Matrix id, where the configuration takes it from here' }, { name: 'npi', description: 'US National Provider Identifier' }]),
  schema(base, GROUP, 'Group', [{ name: 'displayName', required: true, unique: true, description: 'What the configuration gives roles for' }, { name: 'members', type: 'complex', many: true, description: 'Users', of: [{ name: 'value', description: 'Id of the user' }] }]),
]);

export const listOfAll = (all: ReadonlyMap<string, object>): object => listOf([...all.values()], all.size, 1);
