CREATE TABLE "event_quarantine" (
	"stream_sequence" bigint PRIMARY KEY NOT NULL,
	"attempt_id" text,
	"reason" text NOT NULL,
	"payload" text NOT NULL,
	"received_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "price" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "price_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"provider" text NOT NULL,
	"model" text NOT NULL,
	"component" text NOT NULL,
	"tier" text DEFAULT 'standard' NOT NULL,
	"rate_pico_usd" bigint NOT NULL,
	"effective_from" timestamp with time zone NOT NULL,
	"effective_to" timestamp with time zone,
	"source" text NOT NULL,
	"source_version" text NOT NULL,
	"source_hash" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "price_key" UNIQUE("provider","model","component","tier","effective_from"),
	CONSTRAINT "price_rate_not_negative" CHECK ("price"."rate_pico_usd" >= 0),
	CONSTRAINT "price_interval" CHECK ("price"."effective_to" is null or "price"."effective_to" > "price"."effective_from")
);
--> statement-breakpoint
CREATE TABLE "usage_charge" (
	"attempt_id" text NOT NULL,
	"revision" smallint NOT NULL,
	"component" text NOT NULL,
	"quantity" bigint NOT NULL,
	"price_id" bigint NOT NULL,
	"rate_pico_usd" bigint NOT NULL,
	"amount_pico_usd" bigint NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "usage_charge_attempt_id_revision_component_pk" PRIMARY KEY("attempt_id","revision","component"),
	CONSTRAINT "usage_charge_exact" CHECK ("usage_charge"."amount_pico_usd" = "usage_charge"."quantity" * "usage_charge"."rate_pico_usd")
);
--> statement-breakpoint
CREATE TABLE "usage_event" (
	"attempt_id" text NOT NULL,
	"revision" smallint NOT NULL,
	"request_id" text NOT NULL,
	"tenant_id" text NOT NULL,
	"api_key_id" text NOT NULL,
	"provider_key_id" text NOT NULL,
	"provider" text NOT NULL,
	"model" text NOT NULL,
	"served_model" text,
	"requested_model" text NOT NULL,
	"route" text,
	"lane" text NOT NULL,
	"surface" text NOT NULL,
	"stream" boolean NOT NULL,
	"team" text,
	"feature" text,
	"end_user" text,
	"tags" jsonb NOT NULL,
	"attempt_number" integer NOT NULL,
	"step" integer NOT NULL,
	"outcome" text NOT NULL,
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
	"raw_usage" jsonb,
	"pricing" text NOT NULL,
	"cost_pico_usd" bigint,
	"payload_hash" text NOT NULL,
	"stream_sequence" bigint NOT NULL,
	"recorded_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "usage_event_attempt_id_revision_pk" PRIMARY KEY("attempt_id","revision")
);
--> statement-breakpoint
CREATE TABLE "api_key" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"name" text NOT NULL,
	"key_hash" "bytea" NOT NULL,
	"last4" text NOT NULL,
	"scopes" text[] NOT NULL,
	"models" text[],
	"team" text,
	"feature" text,
	"tags" jsonb NOT NULL,
	"allow_override" boolean NOT NULL,
	"limits" jsonb NOT NULL,
	"expires_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "provider_key" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"provider" text NOT NULL,
	"name" text NOT NULL,
	"sealed" "bytea" NOT NULL,
	"data_key_version" integer NOT NULL,
	"secret_version" integer NOT NULL,
	"last4" text NOT NULL,
	"base_url" text,
	"models" text[],
	"weight" integer DEFAULT 1 NOT NULL,
	"account" text,
	"upstream_key_id" text,
	"status" text DEFAULT 'active' NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "route" (
	"tenant_id" text NOT NULL,
	"name" text NOT NULL,
	"definition" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "route_tenant_id_name_pk" PRIMARY KEY("tenant_id","name")
);
--> statement-breakpoint
CREATE TABLE "tenant" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "tenant_data_key" (
	"tenant_id" text NOT NULL,
	"version" integer NOT NULL,
	"wrapped" "bytea" NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "tenant_data_key_tenant_id_version_pk" PRIMARY KEY("tenant_id","version")
);
--> statement-breakpoint
ALTER TABLE "usage_charge" ADD CONSTRAINT "usage_charge_price_id_price_id_fk" FOREIGN KEY ("price_id") REFERENCES "public"."price"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_key" ADD CONSTRAINT "api_key_tenant_id_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "provider_key" ADD CONSTRAINT "provider_key_tenant_id_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "route" ADD CONSTRAINT "route_tenant_id_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenant_data_key" ADD CONSTRAINT "tenant_data_key_tenant_id_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "usage_event_by_tenant_and_time" ON "usage_event" USING btree ("tenant_id","started_at");--> statement-breakpoint
CREATE INDEX "usage_event_by_request" ON "usage_event" USING btree ("request_id");--> statement-breakpoint
CREATE UNIQUE INDEX "api_key_hash" ON "api_key" USING btree ("key_hash");--> statement-breakpoint
CREATE INDEX "api_key_by_tenant" ON "api_key" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "provider_key_by_tenant" ON "provider_key" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE UNIQUE INDEX "provider_key_name" ON "provider_key" USING btree ("tenant_id","name") WHERE deleted_at is null;