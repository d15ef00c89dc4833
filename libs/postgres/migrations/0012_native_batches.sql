CREATE TABLE "native_batch" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"batch_id" text NOT NULL,
	"provider" text NOT NULL,
	"provider_key_id" text NOT NULL,
	"model" text NOT NULL,
	"path" text NOT NULL,
	"headers" jsonb NOT NULL,
	"lines" integer NOT NULL,
	"window_hours" integer NOT NULL,
	"state" text NOT NULL,
	"may_exist" boolean DEFAULT false NOT NULL,
	"asked_at" timestamp with time zone,
	"refusals" integer DEFAULT 0 NOT NULL,
	"failures" integer DEFAULT 0 NOT NULL,
	"is_abandoned" boolean DEFAULT false NOT NULL,
	"reference" jsonb,
	"observed" jsonb,
	"last_error" text,
	"created_at" timestamp with time zone NOT NULL,
	"escalate_at" timestamp with time zone NOT NULL,
	"abandon_at" timestamp with time zone NOT NULL,
	"forget_at" timestamp with time zone NOT NULL,
	"next_look_at" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone,
	"settled_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "native_batch_line" (
	"native_batch_id" text NOT NULL,
	"work_item_id" text NOT NULL,
	"attempt_id" text NOT NULL,
	"attempt_number" integer NOT NULL,
	"header" jsonb NOT NULL,
	"claimed_at" timestamp with time zone NOT NULL,
	"is_recorded" boolean DEFAULT false NOT NULL,
	CONSTRAINT "native_batch_line_native_batch_id_work_item_id_pk" PRIMARY KEY("native_batch_id","work_item_id")
);
--> statement-breakpoint
ALTER TABLE "tenant" ADD COLUMN "batch_mode" text DEFAULT 'queued' NOT NULL;--> statement-breakpoint
CREATE INDEX "native_batch_open" ON "native_batch" USING btree ("next_look_at") WHERE settled_at is null;--> statement-breakpoint
CREATE INDEX "native_batch_by_batch" ON "native_batch" USING btree ("batch_id");--> statement-breakpoint
CREATE INDEX "native_batch_by_key" ON "native_batch" USING btree ("provider_key_id","created_at");--> statement-breakpoint
SELECT protect_tenant_table('native_batch');
--> statement-breakpoint
SELECT protect_child_table('native_batch_line', 'native_batch_id', 'native_batch');
