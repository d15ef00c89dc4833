ALTER TABLE "webhook_delivery" ADD COLUMN "occurrence" text;--> statement-breakpoint
ALTER TABLE "webhook_endpoint" ADD COLUMN "events" text[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "webhook_delivery_occurrence" ON "webhook_delivery" USING btree ("endpoint_id","occurrence") WHERE occurrence is not null;