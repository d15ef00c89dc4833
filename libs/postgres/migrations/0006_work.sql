CREATE TABLE "batch" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"api_key_id" text NOT NULL,
	"dialect" text NOT NULL,
	"status" text NOT NULL,
	"endpoint" text NOT NULL,
	"completion_window" text NOT NULL,
	"input_file_id" text NOT NULL,
	"output_file_id" text,
	"error_file_id" text,
	"metadata" jsonb,
	"options" jsonb NOT NULL,
	"errors" jsonb,
	"lines" integer DEFAULT 0 NOT NULL,
	"output_seconds" integer NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"deadline_at" timestamp with time zone NOT NULL,
	"in_progress_at" timestamp with time zone,
	"finalizing_at" timestamp with time zone,
	"cancelling_at" timestamp with time zone,
	"ended_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "file_part" (
	"file_id" text NOT NULL,
	"part" integer NOT NULL,
	"data_key_version" integer NOT NULL,
	"sealed" "bytea" NOT NULL,
	CONSTRAINT "file_part_file_id_part_pk" PRIMARY KEY("file_id","part")
);
--> statement-breakpoint
CREATE TABLE "stored_file" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"purpose" text NOT NULL,
	"filename" text NOT NULL,
	"bytes" bigint,
	"batch_id" text,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone,
	"deleted_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "job" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"metadata" jsonb NOT NULL,
	"idempotency_key" text,
	"request_hash" "bytea" NOT NULL,
	"webhook_endpoint_id" text,
	"result_seconds" integer NOT NULL,
	"forgotten_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "lease" (
	"name" text PRIMARY KEY NOT NULL,
	"holder" text NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "work_answer" (
	"work_item_id" text PRIMARY KEY NOT NULL,
	"data_key_version" integer NOT NULL,
	"sealed" "bytea" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "work_item" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"api_key_id" text NOT NULL,
	"lane" text NOT NULL,
	"team" text NOT NULL,
	"feature" text NOT NULL,
	"requested_model" text NOT NULL,
	"surface" text NOT NULL,
	"batch_id" text,
	"line_number" integer,
	"custom_id" text,
	"state" text NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"rounds" integer DEFAULT 0 NOT NULL,
	"not_before" timestamp with time zone,
	"estimated_input_tokens" integer NOT NULL,
	"estimated_output_tokens" integer NOT NULL,
	"deadline_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"started_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	"worker_id" text,
	"claim" jsonb,
	"cancel_requested" boolean DEFAULT false NOT NULL,
	"on_unknown" text NOT NULL,
	"possible_duplicate_charge" boolean DEFAULT false NOT NULL,
	"answer" jsonb,
	"error" jsonb
);
--> statement-breakpoint
CREATE TABLE "work_request" (
	"work_item_id" text PRIMARY KEY NOT NULL,
	"options" jsonb NOT NULL,
	"data_key_version" integer NOT NULL,
	"sealed" "bytea" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "worker_beat" (
	"worker_id" text PRIMARY KEY NOT NULL,
	"beats" bigint NOT NULL,
	"beat_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "batch_by_tenant" ON "batch" USING btree ("tenant_id","dialect","id");--> statement-breakpoint
CREATE INDEX "batch_open" ON "batch" USING btree ("status") WHERE ended_at is null;--> statement-breakpoint
CREATE INDEX "stored_file_by_tenant" ON "stored_file" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "stored_file_expiry" ON "stored_file" USING btree ("expires_at") WHERE expires_at is not null and deleted_at is null;--> statement-breakpoint
CREATE UNIQUE INDEX "job_idempotency_key" ON "job" USING btree ("tenant_id","idempotency_key") WHERE idempotency_key is not null;--> statement-breakpoint
CREATE INDEX "work_item_backlog" ON "work_item" USING btree ("lane","tenant_id","requested_model","team","feature","id") WHERE state = 'queued';--> statement-breakpoint
CREATE INDEX "work_item_running" ON "work_item" USING btree ("worker_id") WHERE state = 'in_progress';--> statement-breakpoint
CREATE INDEX "work_item_deadline" ON "work_item" USING btree ("deadline_at") WHERE state in ('queued', 'in_progress');--> statement-breakpoint
CREATE INDEX "work_item_jobs" ON "work_item" USING btree ("tenant_id","id") WHERE batch_id is null;--> statement-breakpoint
CREATE UNIQUE INDEX "work_item_line" ON "work_item" USING btree ("batch_id","line_number") WHERE batch_id is not null;