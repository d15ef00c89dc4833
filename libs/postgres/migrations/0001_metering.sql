ALTER TABLE "price" DROP CONSTRAINT "price_key";--> statement-breakpoint
ALTER TABLE "event_quarantine" DROP CONSTRAINT "event_quarantine_pkey";--> statement-breakpoint
ALTER TABLE "event_quarantine" ADD COLUMN "payload_hash" text NOT NULL;--> statement-breakpoint
ALTER TABLE "event_quarantine" ADD CONSTRAINT "event_quarantine_stream_sequence_payload_hash_pk" PRIMARY KEY("stream_sequence","payload_hash");--> statement-breakpoint
ALTER TABLE "price" ADD COLUMN "input_total_min" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "price" ADD COLUMN "input_total_max" bigint;--> statement-breakpoint
ALTER TABLE "usage_event" ADD COLUMN "pricing_reason" text;--> statement-breakpoint
CREATE INDEX "usage_event_by_time" ON "usage_event" USING brin ("started_at");--> statement-breakpoint
CREATE INDEX "usage_event_by_recording" ON "usage_event" USING btree ("recorded_at");--> statement-breakpoint
ALTER TABLE "price" ADD CONSTRAINT "price_key" UNIQUE("provider","model","component","tier","input_total_min","effective_from");