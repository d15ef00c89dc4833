import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm';
import { routeBody, type RouteBody } from '#contracts/control-plane';
import type { TenantId } from '#contracts/ids';
import type { Database } from './database.ts';
import { route, tenant } from './schema/tenancy.ts';

export type StoredRoute = { name: string; definition: RouteBody; createdAt: Date; updatedAt: Date };

type Row = typeof route.$inferSelect;
const decode = (row: Row): StoredRoute => ({
  name: row.name,
  definition: routeBody.parse(row.definition),
  createdAt: row.createdAt,
  updatedAt: row.updatedAt,
});

export const createRouteStore = ({ query }: Database) => {
  const named = (tenantId: TenantId, name: string) => and(eq(route.tenantId, tenantId), eq(route.name, name));
  return {
    /** Creates or replaces. Null when there is no such tenant. */
    put: async (tenantId: TenantId, name: string, definition: RouteBody): Promise<StoredRoute | null> =>
      query.transaction(async (transaction) => {
        const [living] = await transaction
          .select({ id: tenant.id })
          .from(tenant)
          .where(and(eq(tenant.id, tenantId), isNull(tenant.deletedAt)))
          .for('share');
        if (living === undefined) return null;
        const [row] = await transaction
          .insert(route)
          .values({ tenantId, name, definition })
          .onConflictDoUpdate({
            target: [route.tenantId, route.name],
            set: { definition, updatedAt: sql`now()` },
          })
          .returning();
        if (row === undefined) throw new Error('the route was not stored');
        return decode(row);
      }),

    count: (tenantId: TenantId): Promise<number> => query.$count(route, eq(route.tenantId, tenantId)),

    list: async (
      tenantId: TenantId,
      { limit, afterName }: { limit: number; afterName: string | null },
    ): Promise<StoredRoute[]> => {
      const rows = await query
        .select()
        .from(route)
        .where(and(eq(route.tenantId, tenantId), afterName === null ? undefined : gt(route.name, afterName)))
        .orderBy(asc(route.name))
        .limit(limit);
      return rows.map(decode);
    },

    find: async (tenantId: TenantId, name: string): Promise<StoredRoute | null> => {
      const [row] = await query.select().from(route).where(named(tenantId, name));
      return row === undefined ? null : decode(row);
    },

    /** Resolves to whether there was one. */
    delete: async (tenantId: TenantId, name: string): Promise<boolean> => {
      const rows = await query.delete(route).where(named(tenantId, name)).returning({ name: route.name });
      return rows.length > 0;
    },
  };
};
export type RouteStore = ReturnType<typeof createRouteStore>;
