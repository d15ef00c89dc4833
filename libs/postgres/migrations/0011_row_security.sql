-- Two roles of the cluster, which every flo2 database in it shares. Whoever migrates without being allowed to
-- make them is told how to have them made.
DO $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'flo2_fleet') THEN
		CREATE ROLE flo2_fleet NOLOGIN NOSUPERUSER BYPASSRLS;
	END IF;
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'flo2_tenant') THEN
		CREATE ROLE flo2_tenant NOLOGIN NOSUPERUSER NOBYPASSRLS;
	END IF;
	EXECUTE format('GRANT flo2_fleet, flo2_tenant TO %I', current_user);
EXCEPTION
	WHEN insufficient_privilege THEN
		RAISE EXCEPTION 'flo2 needs the roles flo2_fleet and flo2_tenant, and % may not make them', current_user
			USING HINT = format('As a superuser: CREATE ROLE flo2_fleet NOLOGIN BYPASSRLS; CREATE ROLE flo2_tenant NOLOGIN; GRANT flo2_fleet, flo2_tenant TO %I;', current_user);
	WHEN duplicate_object OR unique_violation THEN
		-- Another database of the cluster was migrated at the same time.
		EXECUTE format('GRANT flo2_fleet, flo2_tenant TO %I', current_user);
END $$;
--> statement-breakpoint
GRANT USAGE ON SCHEMA public, drizzle TO flo2_fleet, flo2_tenant;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO flo2_fleet;
--> statement-breakpoint
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO flo2_fleet;
--> statement-breakpoint
GRANT SELECT ON ALL TABLES IN SCHEMA drizzle TO flo2_fleet;
--> statement-breakpoint
-- What later migrations add is the fleet's to use. A tenant's role gets nothing that is not protected.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO flo2_fleet;
--> statement-breakpoint
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO flo2_fleet;
--> statement-breakpoint
CREATE FUNCTION "protect_tenant_table"("protected" regclass, "tenant_column" text DEFAULT 'tenant_id') RETURNS void LANGUAGE plpgsql AS $$
-- From now on only rows of the tenant in the setting flo2.tenant exist for the role flo2_tenant, and none
-- without the setting.
BEGIN
	EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', protected);
	EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', protected);
	EXECUTE format('CREATE POLICY own_rows ON %s TO flo2_tenant USING (%I = current_setting(''flo2.tenant'', true)) WITH CHECK (%I = current_setting(''flo2.tenant'', true))', protected, tenant_column, tenant_column);
	EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO flo2_tenant', protected);
END $$;
--> statement-breakpoint
CREATE FUNCTION "protect_child_table"("protected" regclass, "parent_column" text, "parent" regclass) RETURNS void LANGUAGE plpgsql AS $$
-- The same for a table whose rows are the tenant's because their parents are: one that sees no parent sees no child.
BEGIN
	EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', protected);
	EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', protected);
	EXECUTE format('CREATE POLICY own_rows ON %1$s TO flo2_tenant USING (EXISTS (SELECT FROM %2$s parent WHERE parent.id = %1$s.%3$I)) WITH CHECK (EXISTS (SELECT FROM %2$s parent WHERE parent.id = %1$s.%3$I))', protected, parent, parent_column);
	EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO flo2_tenant', protected);
END $$;
--> statement-breakpoint
SELECT protect_tenant_table('tenant', 'id');
--> statement-breakpoint
DO $$
-- Every table with a tenant_id of its own; parts of the ledger are reached through the whole alone.
DECLARE
	found regclass;
BEGIN
	FOR found IN
		SELECT class.oid::regclass
		FROM pg_class class JOIN pg_attribute attribute ON attrelid = class.oid
		WHERE class.relnamespace = 'public'::regnamespace AND class.relkind IN ('r', 'p') AND NOT class.relispartition
			AND attname = 'tenant_id' AND NOT attisdropped
	LOOP
		PERFORM protect_tenant_table(found);
	END LOOP;
END $$;
--> statement-breakpoint
SELECT protect_child_table('file_part', 'file_id', 'stored_file');
--> statement-breakpoint
SELECT protect_child_table('work_request', 'work_item_id', 'work_item');
--> statement-breakpoint
SELECT protect_child_table('work_answer', 'work_item_id', 'work_item');
--> statement-breakpoint
SELECT protect_child_table('negotiated_volume', 'rate_id', 'negotiated_rate');
--> statement-breakpoint
GRANT SELECT ON "price", "price_snapshot", "usage_entry" TO flo2_tenant;
--> statement-breakpoint
-- The ledger is only added to, and by metering alone; its sums are written with it.
REVOKE UPDATE, DELETE ON "usage_event", "usage_charge", "usage_adjustment" FROM flo2_fleet;
--> statement-breakpoint
REVOKE INSERT, UPDATE, DELETE ON "usage_event", "usage_charge", "usage_adjustment", "usage_hour", "usage_day" FROM flo2_tenant;
--> statement-breakpoint
-- Months are made and dropped as the owner of the ledger.
ALTER FUNCTION "ledger_ensure_month"(timestamp with time zone) SECURITY DEFINER SET search_path = public, pg_temp;
--> statement-breakpoint
ALTER FUNCTION "ledger_drop_months"(timestamp with time zone) SECURITY DEFINER SET search_path = public, pg_temp;
--> statement-breakpoint
REVOKE EXECUTE ON FUNCTION "ledger_ensure_month"(timestamp with time zone), "ledger_drop_months"(timestamp with time zone) FROM PUBLIC;
--> statement-breakpoint
GRANT EXECUTE ON FUNCTION "ledger_ensure_month"(timestamp with time zone), "ledger_drop_months"(timestamp with time zone) TO flo2_fleet;
