CREATE TABLE "budget" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"scope" jsonb NOT NULL,
	"period" text NOT NULL,
	"time_zone" text NOT NULL,
	"limit_pico_usd" numeric(38, 0) NOT NULL,
	"mode" text NOT NULL,
	"alerts" integer[] NOT NULL,
	"on_unpriced" text NOT NULL,
	"assumed_output_tokens" integer NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "budget_lease" (
	"id" text PRIMARY KEY NOT NULL,
	"budget_id" text NOT NULL,
	"window_start" timestamp with time zone NOT NULL,
	"tenant_id" text NOT NULL,
	"owner" text NOT NULL,
	"leased_pico_usd" numeric(38, 0) NOT NULL,
	"open_pico_usd" numeric(38, 0) NOT NULL,
	"holds_until" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expired_at" timestamp with time zone,
	"expired_pico_usd" numeric(38, 0),
	"expired_reason" text,
	CONSTRAINT "budget_lease_open_within" CHECK ("budget_lease"."open_pico_usd" between 0 and "budget_lease"."leased_pico_usd")
);
--> statement-breakpoint
CREATE TABLE "budget_window" (
	"budget_id" text NOT NULL,
	"window_start" timestamp with time zone NOT NULL,
	"tenant_id" text NOT NULL,
	"spent_pico_usd" numeric(38, 0) DEFAULT 0 NOT NULL,
	"uncertain_pico_usd" numeric(38, 0) DEFAULT 0 NOT NULL,
	"leased_pico_usd" numeric(38, 0) DEFAULT 0 NOT NULL,
	"alerted_percent" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "budget_window_budget_id_window_start_pk" PRIMARY KEY("budget_id","window_start"),
	CONSTRAINT "budget_window_leased" CHECK ("budget_window"."leased_pico_usd" >= 0)
);
--> statement-breakpoint
ALTER TABLE "budget" ADD CONSTRAINT "budget_tenant_id_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "budget_window" ADD CONSTRAINT "budget_window_budget_id_budget_id_fk" FOREIGN KEY ("budget_id") REFERENCES "public"."budget"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "budget_by_tenant" ON "budget" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "budget_lease_open" ON "budget_lease" USING btree ("holds_until") WHERE open_pico_usd > 0;