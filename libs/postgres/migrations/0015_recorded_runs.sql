ALTER TABLE "recorded_range" ADD COLUMN "run_firsts" bigint[];--> statement-breakpoint
ALTER TABLE "recorded_range" ADD COLUMN "run_lasts" bigint[];--> statement-breakpoint
ALTER TABLE "recorded_range" ADD CONSTRAINT "recorded_range_runs" CHECK (cardinality("recorded_range"."run_firsts") is not distinct from cardinality("recorded_range"."run_lasts"));