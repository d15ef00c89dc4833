CREATE TABLE "ledger_state" (
	"only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"dropped_before" timestamp with time zone,
	"verified_until" timestamp with time zone,
	CONSTRAINT "ledger_state_only" CHECK ("ledger_state"."only")
);
--> statement-breakpoint
CREATE TABLE "recorded_range" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "recorded_range_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"stream" text NOT NULL,
	"first_sequence" bigint NOT NULL,
	"last_sequence" bigint NOT NULL,
	"recorded_at" timestamp with time zone NOT NULL,
	CONSTRAINT "recorded_range_order" CHECK ("recorded_range"."first_sequence" <= "recorded_range"."last_sequence")
);
--> statement-breakpoint
CREATE TABLE "repricing" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text,
	"provider" text,
	"model" text,
	"only_unpriced" boolean NOT NULL,
	"from_time" timestamp with time zone NOT NULL,
	"to_time" timestamp with time zone NOT NULL,
	"reason" text NOT NULL,
	"position" text,
	"examined" integer DEFAULT 0 NOT NULL,
	"changed" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "rollup_mismatch" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "rollup_mismatch_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"tenant_id" text NOT NULL,
	"hour" timestamp with time zone NOT NULL,
	"series_key" uuid NOT NULL,
	"differences" jsonb NOT NULL,
	"found_at" timestamp with time zone DEFAULT now() NOT NULL,
	"repaired_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "negotiated_rate" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"provider" text NOT NULL,
	"model" text NOT NULL,
	"component" text,
	"provider_key_id" text,
	"kind" text NOT NULL,
	"value" bigint NOT NULL,
	"volume_tiers" jsonb,
	"volume_period" text,
	"effective_from" timestamp with time zone NOT NULL,
	"effective_to" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp with time zone,
	CONSTRAINT "negotiated_rate_kind" CHECK ("negotiated_rate"."kind" in ('absolute', 'discount')),
	CONSTRAINT "negotiated_rate_value" CHECK ("negotiated_rate"."value" >= 0),
	CONSTRAINT "negotiated_rate_volume" CHECK (("negotiated_rate"."volume_tiers" is null) = ("negotiated_rate"."volume_period" is null))
);
--> statement-breakpoint
CREATE TABLE "negotiated_volume" (
	"rate_id" text NOT NULL,
	"period_start" timestamp with time zone NOT NULL,
	"quantity" bigint NOT NULL,
	CONSTRAINT "negotiated_volume_key" UNIQUE("rate_id","period_start")
);
--> statement-breakpoint
CREATE TABLE "price_snapshot" (
	"id" text PRIMARY KEY NOT NULL,
	"source" text NOT NULL,
	"version" text NOT NULL,
	"hash" text NOT NULL,
	"state" text NOT NULL,
	"changes" jsonb NOT NULL,
	"read_at" timestamp with time zone DEFAULT now() NOT NULL,
	"decided_at" timestamp with time zone,
	"decided_by" text
);
--> statement-breakpoint
ALTER TABLE "usage_charge" RENAME TO "former_usage_charge";--> statement-breakpoint
ALTER TABLE "usage_event" RENAME TO "former_usage_event";--> statement-breakpoint
DROP INDEX "usage_event_by_tenant_and_time", "usage_event_by_request", "usage_event_by_time", "usage_event_by_recording";--> statement-breakpoint
ALTER TABLE "former_usage_charge" DROP CONSTRAINT "usage_charge_exact";--> statement-breakpoint
ALTER TABLE "price" DROP CONSTRAINT "price_key";--> statement-breakpoint
ALTER TABLE "price" ADD COLUMN "region" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "price" ADD COLUMN "quantity_from" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "price" ADD COLUMN "quantity_to" bigint;--> statement-breakpoint
ALTER TABLE "price" ADD COLUMN "day_minute_from" integer;--> statement-breakpoint
ALTER TABLE "price" ADD COLUMN "day_minute_to" integer;--> statement-breakpoint
ALTER TABLE "price" ADD COLUMN "reference" text;--> statement-breakpoint
ALTER TABLE "price" ADD COLUMN "snapshot_id" text;--> statement-breakpoint
ALTER TABLE "negotiated_volume" ADD CONSTRAINT "negotiated_volume_rate_id_negotiated_rate_id_fk" FOREIGN KEY ("rate_id") REFERENCES "public"."negotiated_rate"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "recorded_range_by_sequence" ON "recorded_range" USING btree ("stream","first_sequence");--> statement-breakpoint
CREATE INDEX "recorded_range_by_recording" ON "recorded_range" USING btree ("recorded_at");--> statement-breakpoint
CREATE INDEX "rollup_mismatch_by_hour" ON "rollup_mismatch" USING btree ("hour");--> statement-breakpoint
ALTER TABLE "price" ADD CONSTRAINT "price_snapshot_id_price_snapshot_id_fk" FOREIGN KEY ("snapshot_id") REFERENCES "public"."price_snapshot"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "event_quarantine_by_time" ON "event_quarantine" USING btree ("received_at");--> statement-breakpoint
ALTER TABLE "price" ADD CONSTRAINT "price_key" UNIQUE NULLS NOT DISTINCT("provider","model","component","tier","region","input_total_min","quantity_from","day_minute_from","effective_from");--> statement-breakpoint
ALTER TABLE "price" ADD CONSTRAINT "price_quantities" CHECK ("price"."quantity_from" >= 0 and ("price"."quantity_to" is null or "price"."quantity_to" > "price"."quantity_from"));--> statement-breakpoint
ALTER TABLE "price" ADD CONSTRAINT "price_day_minutes" CHECK (("price"."day_minute_from" is null) = ("price"."day_minute_to" is null)
        and ("price"."day_minute_from" is null or ("price"."day_minute_from" between 0 and 1439 and "price"."day_minute_to" between 0 and 1439)));
--> statement-breakpoint
INSERT INTO "ledger_state" DEFAULT VALUES;
--> statement-breakpoint
CREATE EXTENSION IF NOT EXISTS btree_gist;
--> statement-breakpoint
ALTER TABLE "negotiated_rate" ADD CONSTRAINT "negotiated_rate_no_overlap" EXCLUDE USING gist (
	"tenant_id" WITH =, "provider" WITH =, "model" WITH =, coalesce("component", '') WITH =, coalesce("provider_key_id", '') WITH =,
	tstzrange("effective_from", "effective_to") WITH &&
) WHERE ("deleted_at" IS NULL);
--> statement-breakpoint
CREATE FUNCTION "ledger_id_time"("moment" timestamp with time zone) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
-- The ten characters that an id minted then begins with, after its prefix (see libs/domain/mint-id.ts).
RETURN (
	SELECT string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz', ((milliseconds >> (5 * (9 - place))) & 31)::int + 1, 1), '' ORDER BY place)
	FROM (SELECT floor(extract(epoch FROM moment) * 1000)::bigint AS milliseconds) AS minted, generate_series(0, 9) AS place
);
--> statement-breakpoint
CREATE FUNCTION "usage_series_key"("api_key_id" text, "provider_key_id" text, "provider" text, "model" text, "route" text, "lane" text, "surface" text, "team" text, "feature" text, "outcome" text, "price_tier" text) RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
-- Which row of an hour the dimensions belong to.
RETURN substr(encode(sha256(convert_to(json_build_array(api_key_id, provider_key_id, provider, model, route, lane, surface, team, feature, outcome, price_tier)::text, 'UTF8')), 'hex'), 1, 32)::uuid;
--> statement-breakpoint
CREATE FUNCTION "refuse_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'the ledger is only added to' USING ERRCODE = 'object_not_in_prerequisite_state';
END $$;
--> statement-breakpoint
CREATE FUNCTION "ledger_ensure_month"("moment" timestamp with time zone) RETURNS boolean LANGUAGE plpgsql AS $$
-- Makes the partitions of the UTC month of a moment. False when that month was dropped and stays so.
DECLARE
	month_start timestamp with time zone := date_trunc('month', moment, 'UTC');
	lower_bound text := 'att_' || ledger_id_time(month_start);
	upper_bound text := 'att_' || ledger_id_time(month_start + interval '1 month');
	base text;
	part text;
BEGIN
	PERFORM pg_advisory_xact_lock(4046171304);
	IF EXISTS (SELECT FROM ledger_state WHERE dropped_before > month_start) THEN RETURN false; END IF;
	FOREACH base IN ARRAY ARRAY['usage_event', 'usage_charge', 'usage_adjustment'] LOOP
		part := base || '_' || to_char(month_start AT TIME ZONE 'UTC', 'YYYYMM');
		CONTINUE WHEN to_regclass(quote_ident(part)) IS NOT NULL;
		-- To attach an empty table waits for no reader and no writer, other than to create it as a partition.
		EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, base);
		EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', base, part, lower_bound, upper_bound);
		EXECUTE format('CREATE TRIGGER only_added_to_whole BEFORE TRUNCATE ON %I EXECUTE FUNCTION refuse_change()', part);
	END LOOP;
	RETURN true;
END $$;
--> statement-breakpoint
CREATE FUNCTION "ledger_drop_months"("until" timestamp with time zone) RETURNS integer LANGUAGE plpgsql AS $$
-- Drops the partitions of every month that ends by then. Their events are refused from then on, the sums stay.
DECLARE
	month_start timestamp with time zone := date_trunc('month', until, 'UTC');
	part record;
	dropped integer := 0;
BEGIN
	PERFORM pg_advisory_xact_lock(4046171304);
	UPDATE ledger_state SET dropped_before = greatest(dropped_before, month_start);
	FOR part IN
		SELECT child.relname AS name
		FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
		WHERE inhparent IN ('usage_event'::regclass, 'usage_charge'::regclass, 'usage_adjustment'::regclass)
			AND right(child.relname, 6) < to_char(month_start AT TIME ZONE 'UTC', 'YYYYMM')
		ORDER BY child.relname
	LOOP
		EXECUTE format('DROP TABLE %I', part.name);
		dropped := dropped + 1;
	END LOOP;
	RETURN dropped;
END $$;
--> statement-breakpoint
CREATE FUNCTION "ledger_begin_recording"() RETURNS timestamp with time zone LANGUAGE plpgsql AS $$
-- Every transaction that adds to the ledger begins with it, and records at the instant it gives. A lock
-- announces that instant, or one shortly before it, until the transaction has ended.
BEGIN
	PERFORM pg_advisory_xact_lock_shared((17996::bigint << 48) | floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint);
	RETURN clock_timestamp();
END $$;
--> statement-breakpoint
CREATE FUNCTION "ledger_clock"() RETURNS timestamp with time zone LANGUAGE plpgsql AS $$
-- The newest instant of which it is certain that all that is recorded at it or before it is committed.
-- The order matters: a recording that begins after the clock was read is later than it.
DECLARE
	now_here timestamp with time zone := clock_timestamp();
	oldest bigint;
BEGIN
	SELECT min(((classid::bigint & 65535) << 32) | objid::bigint) INTO oldest
	FROM pg_locks
	WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint >> 16 = 17996
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
	RETURN least(now_here, to_timestamp(oldest / 1000.0) - interval '1 microsecond');
END $$;
--> statement-breakpoint
CREATE TABLE "usage_event" (
	"attempt_id" text COLLATE "C" NOT NULL,
	"revision" smallint NOT NULL,
	"request_id" text COLLATE "C" NOT NULL,
	"tenant_id" text NOT NULL,
	"api_key_id" text NOT NULL,
	"provider_key_id" text NOT NULL,
	"provider" text NOT NULL,
	"model" text NOT NULL,
	"route" text,
	"lane" text NOT NULL,
	"surface" text NOT NULL,
	"team" text,
	"feature" text,
	"outcome" text NOT NULL,
	"price_tier" text NOT NULL,
	"served_model" text,
	"requested_model" text NOT NULL,
	"stream" boolean NOT NULL,
	"end_user" text,
	"tags" jsonb NOT NULL,
	"attempt_number" integer NOT NULL,
	"step" integer NOT NULL,
	"error_code" text,
	"upstream_status" integer,
	"upstream_request_id" text,
	"provider_response_id" text,
	"finish_reason" text,
	"service_tier" text,
	"started_at" timestamp with time zone NOT NULL,
	"queue_ms" integer NOT NULL,
	"first_byte_ms" integer,
	"first_token_ms" integer,
	"duration_ms" integer NOT NULL,
	"usage_source" text NOT NULL,
	"input_tokens" bigint,
	"cache_read_tokens" bigint,
	"cache_write_5m_tokens" bigint,
	"cache_write_1h_tokens" bigint,
	"cache_write_other_tokens" bigint,
	"input_audio_tokens" bigint,
	"input_image_tokens" bigint,
	"output_tokens" bigint,
	"output_audio_tokens" bigint,
	"output_image_tokens" bigint,
	"reasoning_tokens" bigint,
	"usage_extras" jsonb,
	"raw_usage" json,
	"pricing" text NOT NULL,
	"cost_pico_usd" bigint,
	"list_cost_pico_usd" bigint,
	"pricing_reason" text,
	"payload_hash" bytea NOT NULL,
	"stream_sequence" bigint NOT NULL,
	"recorded_at" timestamp with time zone NOT NULL,
	PRIMARY KEY ("attempt_id", "revision"),
	CONSTRAINT "usage_event_priced" CHECK (("pricing" = 'priced') = ("cost_pico_usd" is not null) and ("cost_pico_usd" is null) = ("list_cost_pico_usd" is null))
) PARTITION BY RANGE ("attempt_id");
--> statement-breakpoint
CREATE TABLE "usage_charge" (
	"attempt_id" text COLLATE "C" NOT NULL,
	"revision" smallint NOT NULL,
	"number" smallint NOT NULL,
	"adjustment" smallint NOT NULL,
	"tenant_id" text NOT NULL,
	"component" text NOT NULL,
	"payee" text NOT NULL,
	"quantity" bigint NOT NULL,
	"list_rate_pico_usd" bigint NOT NULL,
	"list_amount_pico_usd" bigint NOT NULL,
	"rate_pico_usd" bigint NOT NULL,
	"amount_pico_usd" bigint NOT NULL,
	"price_id" bigint,
	"rate_id" text,
	"volume_from" bigint,
	"reverses" smallint,
	"recorded_at" timestamp with time zone NOT NULL,
	PRIMARY KEY ("attempt_id", "revision", "number"),
	CONSTRAINT "usage_charge_exact" CHECK ("amount_pico_usd" = "quantity" * "rate_pico_usd" and "list_amount_pico_usd" = "quantity" * "list_rate_pico_usd"),
	CONSTRAINT "usage_charge_reversal" CHECK (("reverses" is null) = ("quantity" > 0))
) PARTITION BY RANGE ("attempt_id");
--> statement-breakpoint
CREATE TABLE "usage_adjustment" (
	"attempt_id" text COLLATE "C" NOT NULL,
	"revision" smallint NOT NULL,
	"number" smallint NOT NULL,
	"kind" text NOT NULL,
	"reason" text NOT NULL,
	"repricing_id" text,
	"request_id" text COLLATE "C" NOT NULL,
	"tenant_id" text NOT NULL,
	"api_key_id" text NOT NULL,
	"provider_key_id" text NOT NULL,
	"provider" text NOT NULL,
	"model" text NOT NULL,
	"route" text,
	"lane" text NOT NULL,
	"surface" text NOT NULL,
	"team" text,
	"feature" text,
	"outcome" text NOT NULL,
	"price_tier" text NOT NULL,
	"end_user" text,
	"tags" jsonb NOT NULL,
	"started_at" timestamp with time zone NOT NULL,
	"pricing" text NOT NULL,
	"pricing_reason" text,
	"recorded_at" timestamp with time zone NOT NULL,
	"requests" bigint NOT NULL,
	"attempts" bigint NOT NULL,
	"unpriced_attempts" bigint NOT NULL,
	"unknown_attempts" bigint NOT NULL,
	"input_tokens" bigint NOT NULL,
	"cache_read_tokens" bigint NOT NULL,
	"cache_write_5m_tokens" bigint NOT NULL,
	"cache_write_1h_tokens" bigint NOT NULL,
	"cache_write_other_tokens" bigint NOT NULL,
	"input_audio_tokens" bigint NOT NULL,
	"input_image_tokens" bigint NOT NULL,
	"output_tokens" bigint NOT NULL,
	"output_audio_tokens" bigint NOT NULL,
	"output_image_tokens" bigint NOT NULL,
	"reasoning_tokens" bigint NOT NULL,
	"cost_pico_usd" bigint NOT NULL,
	"list_cost_pico_usd" bigint NOT NULL,
	"estimated_cost_pico_usd" bigint NOT NULL,
	"estimated_list_cost_pico_usd" bigint NOT NULL,
	PRIMARY KEY ("attempt_id", "revision", "number"),
	CONSTRAINT "usage_adjustment_kind" CHECK ("kind" in ('superseded', 'repricing'))
) PARTITION BY RANGE ("attempt_id");
--> statement-breakpoint
CREATE TABLE "usage_hour" (
	"hour" timestamp with time zone NOT NULL,
	"series_key" uuid NOT NULL,
	"tenant_id" text NOT NULL,
	"api_key_id" text NOT NULL,
	"provider_key_id" text NOT NULL,
	"provider" text NOT NULL,
	"model" text NOT NULL,
	"route" text,
	"lane" text NOT NULL,
	"surface" text NOT NULL,
	"team" text,
	"feature" text,
	"outcome" text NOT NULL,
	"price_tier" text NOT NULL,
	"requests" bigint NOT NULL,
	"attempts" bigint NOT NULL,
	"unpriced_attempts" bigint NOT NULL,
	"unknown_attempts" bigint NOT NULL,
	"input_tokens" bigint NOT NULL,
	"cache_read_tokens" bigint NOT NULL,
	"cache_write_5m_tokens" bigint NOT NULL,
	"cache_write_1h_tokens" bigint NOT NULL,
	"cache_write_other_tokens" bigint NOT NULL,
	"input_audio_tokens" bigint NOT NULL,
	"input_image_tokens" bigint NOT NULL,
	"output_tokens" bigint NOT NULL,
	"output_audio_tokens" bigint NOT NULL,
	"output_image_tokens" bigint NOT NULL,
	"reasoning_tokens" bigint NOT NULL,
	"cost_pico_usd" bigint NOT NULL,
	"list_cost_pico_usd" bigint NOT NULL,
	"estimated_cost_pico_usd" bigint NOT NULL,
	"estimated_list_cost_pico_usd" bigint NOT NULL,
	PRIMARY KEY ("tenant_id", "hour", "series_key")
) WITH (fillfactor = 70);
--> statement-breakpoint
CREATE TABLE "usage_day" (
	"day" timestamp with time zone NOT NULL,
	"series_key" uuid NOT NULL,
	"tenant_id" text NOT NULL,
	"api_key_id" text NOT NULL,
	"provider_key_id" text NOT NULL,
	"provider" text NOT NULL,
	"model" text NOT NULL,
	"route" text,
	"lane" text NOT NULL,
	"surface" text NOT NULL,
	"team" text,
	"feature" text,
	"outcome" text NOT NULL,
	"price_tier" text NOT NULL,
	"requests" bigint NOT NULL,
	"attempts" bigint NOT NULL,
	"unpriced_attempts" bigint NOT NULL,
	"unknown_attempts" bigint NOT NULL,
	"input_tokens" bigint NOT NULL,
	"cache_read_tokens" bigint NOT NULL,
	"cache_write_5m_tokens" bigint NOT NULL,
	"cache_write_1h_tokens" bigint NOT NULL,
	"cache_write_other_tokens" bigint NOT NULL,
	"input_audio_tokens" bigint NOT NULL,
	"input_image_tokens" bigint NOT NULL,
	"output_tokens" bigint NOT NULL,
	"output_audio_tokens" bigint NOT NULL,
	"output_image_tokens" bigint NOT NULL,
	"reasoning_tokens" bigint NOT NULL,
	"cost_pico_usd" bigint NOT NULL,
	"list_cost_pico_usd" bigint NOT NULL,
	"estimated_cost_pico_usd" bigint NOT NULL,
	"estimated_list_cost_pico_usd" bigint NOT NULL,
	PRIMARY KEY ("tenant_id", "day", "series_key")
) WITH (fillfactor = 70);
--> statement-breakpoint
CREATE VIEW "usage_entry" WITH (security_invoker = true) AS
SELECT attempt_id, revision, request_id, tenant_id, api_key_id, provider_key_id, provider, model, route, lane, surface, team, feature, outcome, price_tier, end_user, tags, started_at, recorded_at,
	(attempt_number = 1)::int::bigint AS requests,
	1::bigint AS attempts,
	(pricing = 'unpriced')::int::bigint AS unpriced_attempts,
	(pricing = 'unknown')::int::bigint AS unknown_attempts,
	coalesce(input_tokens, 0) AS input_tokens,
	coalesce(cache_read_tokens, 0) AS cache_read_tokens,
	coalesce(cache_write_5m_tokens, 0) AS cache_write_5m_tokens,
	coalesce(cache_write_1h_tokens, 0) AS cache_write_1h_tokens,
	coalesce(cache_write_other_tokens, 0) AS cache_write_other_tokens,
	coalesce(input_audio_tokens, 0) AS input_audio_tokens,
	coalesce(input_image_tokens, 0) AS input_image_tokens,
	coalesce(output_tokens, 0) AS output_tokens,
	coalesce(output_audio_tokens, 0) AS output_audio_tokens,
	coalesce(output_image_tokens, 0) AS output_image_tokens,
	coalesce(reasoning_tokens, 0) AS reasoning_tokens,
	coalesce(cost_pico_usd, 0) AS cost_pico_usd,
	coalesce(list_cost_pico_usd, 0) AS list_cost_pico_usd,
	case when usage_source in ('estimated', 'provider_partial') then coalesce(cost_pico_usd, 0) else 0 end AS estimated_cost_pico_usd,
	case when usage_source in ('estimated', 'provider_partial') then coalesce(list_cost_pico_usd, 0) else 0 end AS estimated_list_cost_pico_usd
FROM usage_event
UNION ALL
SELECT attempt_id, revision, request_id, tenant_id, api_key_id, provider_key_id, provider, model, route, lane, surface, team, feature, outcome, price_tier, end_user, tags, started_at, recorded_at,
	requests, attempts, unpriced_attempts, unknown_attempts, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, cache_write_other_tokens, input_audio_tokens, input_image_tokens, output_tokens, output_audio_tokens, output_image_tokens, reasoning_tokens, cost_pico_usd, list_cost_pico_usd, estimated_cost_pico_usd, estimated_list_cost_pico_usd
FROM usage_adjustment;
--> statement-breakpoint
CREATE INDEX "usage_event_by_tenant" ON "usage_event" ("tenant_id", "started_at");
--> statement-breakpoint
CREATE INDEX "usage_event_of_request" ON "usage_event" ("request_id");
--> statement-breakpoint
CREATE INDEX "usage_event_by_start" ON "usage_event" USING brin ("started_at");
--> statement-breakpoint
CREATE INDEX "usage_event_by_recorded" ON "usage_event" ("recorded_at");
--> statement-breakpoint
CREATE INDEX "usage_event_presumed" ON "usage_event" ("attempt_id") WHERE "revision" = 0;
--> statement-breakpoint
CREATE INDEX "usage_event_unpriced" ON "usage_event" ("provider", "model", "attempt_id") WHERE "pricing" = 'unpriced';
--> statement-breakpoint
CREATE INDEX "usage_charge_by_recorded" ON "usage_charge" USING brin ("recorded_at");
--> statement-breakpoint
CREATE INDEX "usage_adjustment_by_tenant" ON "usage_adjustment" ("tenant_id", "started_at");
--> statement-breakpoint
CREATE INDEX "usage_adjustment_by_recorded" ON "usage_adjustment" ("recorded_at");
--> statement-breakpoint
CREATE INDEX "usage_hour_by_hour" ON "usage_hour" ("hour");
--> statement-breakpoint
CREATE INDEX "usage_day_by_day" ON "usage_day" ("day");
--> statement-breakpoint
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE ON "usage_event" FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER only_added_to_whole BEFORE TRUNCATE ON "usage_event" EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
REVOKE UPDATE, DELETE, TRUNCATE ON "usage_event" FROM PUBLIC;
--> statement-breakpoint
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE ON "usage_charge" FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER only_added_to_whole BEFORE TRUNCATE ON "usage_charge" EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
REVOKE UPDATE, DELETE, TRUNCATE ON "usage_charge" FROM PUBLIC;
--> statement-breakpoint
CREATE TRIGGER only_added_to BEFORE UPDATE OR DELETE ON "usage_adjustment" FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER only_added_to_whole BEFORE TRUNCATE ON "usage_adjustment" EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
REVOKE UPDATE, DELETE, TRUNCATE ON "usage_adjustment" FROM PUBLIC;
--> statement-breakpoint
SELECT count(ledger_ensure_month("month")) FROM (
	SELECT DISTINCT date_trunc('month', "started_at" + "shift", 'UTC') AS "month" FROM "former_usage_event", (VALUES (interval '-1 day'), (interval '1 day')) AS "shifts" ("shift")
) AS "months";
--> statement-breakpoint
INSERT INTO "usage_event" (attempt_id, revision, request_id, tenant_id, api_key_id, provider_key_id, provider, model, route, lane, surface, team, feature, outcome, price_tier, served_model, requested_model, stream, end_user, tags, attempt_number, step, error_code, upstream_status, upstream_request_id, provider_response_id, finish_reason, service_tier, started_at, queue_ms, first_byte_ms, first_token_ms, duration_ms, usage_source, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, cache_write_other_tokens, input_audio_tokens, input_image_tokens, output_tokens, output_audio_tokens, output_image_tokens, reasoning_tokens, usage_extras, raw_usage, pricing, cost_pico_usd, list_cost_pico_usd, pricing_reason, payload_hash, stream_sequence, recorded_at)
SELECT attempt_id, revision, request_id, tenant_id, api_key_id, provider_key_id, provider, model, route, lane, surface, team, feature, outcome, coalesce(case when provider = 'openai' and service_tier = 'default' then null else service_tier end, 'standard'), served_model, requested_model, stream, end_user, tags, attempt_number, step, error_code, upstream_status, upstream_request_id, provider_response_id, finish_reason, service_tier, started_at, queue_ms, first_byte_ms, first_token_ms, duration_ms, usage_source, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, cache_write_other_tokens, input_audio_tokens, input_image_tokens, output_tokens, output_audio_tokens, output_image_tokens, reasoning_tokens, null, raw_usage, pricing, cost_pico_usd, cost_pico_usd, pricing_reason, decode(payload_hash, 'hex'), stream_sequence, recorded_at
FROM "former_usage_event";
--> statement-breakpoint
INSERT INTO "usage_charge" ("attempt_id", "revision", "number", "adjustment", "tenant_id", "component", "payee", "quantity", "list_rate_pico_usd", "list_amount_pico_usd", "rate_pico_usd", "amount_pico_usd", "price_id", "recorded_at")
SELECT "attempt_id", "revision", row_number() OVER (PARTITION BY "attempt_id", "revision" ORDER BY "component"), 0, "tenant_id", "component", "provider", "quantity", "charge"."rate_pico_usd", "amount_pico_usd", "charge"."rate_pico_usd", "amount_pico_usd", "price_id", "recorded_at"
FROM "former_usage_charge" AS "charge" JOIN "former_usage_event" USING ("attempt_id", "revision");
--> statement-breakpoint
INSERT INTO "usage_adjustment" (attempt_id, revision, number, kind, reason, request_id, tenant_id, api_key_id, provider_key_id, provider, model, route, lane, surface, team, feature, outcome, price_tier, end_user, tags, started_at, pricing, recorded_at, requests, attempts, unpriced_attempts, unknown_attempts, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, cache_write_other_tokens, input_audio_tokens, input_image_tokens, output_tokens, output_audio_tokens, output_image_tokens, reasoning_tokens, cost_pico_usd, list_cost_pico_usd, estimated_cost_pico_usd, estimated_list_cost_pico_usd)
SELECT presumed.attempt_id, 0, 1, 'superseded', 'the worker told what came of the attempt', presumed.request_id, presumed.tenant_id, presumed.api_key_id, presumed.provider_key_id, presumed.provider, presumed.model, presumed.route, presumed.lane, presumed.surface, presumed.team, presumed.feature, presumed.outcome, presumed.price_tier, presumed.end_user, presumed.tags, presumed.started_at, 'superseded', greatest(presumed.recorded_at, reported.recorded_at), -presumed.requests, -presumed.attempts, -presumed.unpriced_attempts, -presumed.unknown_attempts, -presumed.input_tokens, -presumed.cache_read_tokens, -presumed.cache_write_5m_tokens, -presumed.cache_write_1h_tokens, -presumed.cache_write_other_tokens, -presumed.input_audio_tokens, -presumed.input_image_tokens, -presumed.output_tokens, -presumed.output_audio_tokens, -presumed.output_image_tokens, -presumed.reasoning_tokens, -presumed.cost_pico_usd, -presumed.list_cost_pico_usd, -presumed.estimated_cost_pico_usd, -presumed.estimated_list_cost_pico_usd
FROM usage_entry AS presumed JOIN usage_event AS reported ON reported.attempt_id = presumed.attempt_id AND reported.revision = 1
WHERE presumed.revision = 0;
--> statement-breakpoint
INSERT INTO "usage_hour" (hour, series_key, tenant_id, api_key_id, provider_key_id, provider, model, route, lane, surface, team, feature, outcome, price_tier, requests, attempts, unpriced_attempts, unknown_attempts, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, cache_write_other_tokens, input_audio_tokens, input_image_tokens, output_tokens, output_audio_tokens, output_image_tokens, reasoning_tokens, cost_pico_usd, list_cost_pico_usd, estimated_cost_pico_usd, estimated_list_cost_pico_usd)
SELECT date_trunc('hour', started_at, 'UTC'), usage_series_key(api_key_id, provider_key_id, provider, model, route, lane, surface, team, feature, outcome, price_tier), tenant_id, api_key_id, provider_key_id, provider, model, route, lane, surface, team, feature, outcome, price_tier, sum(requests), sum(attempts), sum(unpriced_attempts), sum(unknown_attempts), sum(input_tokens), sum(cache_read_tokens), sum(cache_write_5m_tokens), sum(cache_write_1h_tokens), sum(cache_write_other_tokens), sum(input_audio_tokens), sum(input_image_tokens), sum(output_tokens), sum(output_audio_tokens), sum(output_image_tokens), sum(reasoning_tokens), sum(cost_pico_usd), sum(list_cost_pico_usd), sum(estimated_cost_pico_usd), sum(estimated_list_cost_pico_usd)
FROM usage_entry GROUP BY date_trunc('hour', started_at, 'UTC'), tenant_id, api_key_id, provider_key_id, provider, model, route, lane, surface, team, feature, outcome, price_tier;
--> statement-breakpoint
INSERT INTO "usage_day" (day, series_key, tenant_id, api_key_id, provider_key_id, provider, model, route, lane, surface, team, feature, outcome, price_tier, requests, attempts, unpriced_attempts, unknown_attempts, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, cache_write_other_tokens, input_audio_tokens, input_image_tokens, output_tokens, output_audio_tokens, output_image_tokens, reasoning_tokens, cost_pico_usd, list_cost_pico_usd, estimated_cost_pico_usd, estimated_list_cost_pico_usd)
SELECT date_trunc('day', started_at, 'UTC'), usage_series_key(api_key_id, provider_key_id, provider, model, route, lane, surface, team, feature, outcome, price_tier), tenant_id, api_key_id, provider_key_id, provider, model, route, lane, surface, team, feature, outcome, price_tier, sum(requests), sum(attempts), sum(unpriced_attempts), sum(unknown_attempts), sum(input_tokens), sum(cache_read_tokens), sum(cache_write_5m_tokens), sum(cache_write_1h_tokens), sum(cache_write_other_tokens), sum(input_audio_tokens), sum(input_image_tokens), sum(output_tokens), sum(output_audio_tokens), sum(output_image_tokens), sum(reasoning_tokens), sum(cost_pico_usd), sum(list_cost_pico_usd), sum(estimated_cost_pico_usd), sum(estimated_list_cost_pico_usd)
FROM usage_entry GROUP BY date_trunc('day', started_at, 'UTC'), tenant_id, api_key_id, provider_key_id, provider, model, route, lane, surface, team, feature, outcome, price_tier;
--> statement-breakpoint
DROP TABLE "former_usage_charge";
--> statement-breakpoint
DROP TABLE "former_usage_event";
