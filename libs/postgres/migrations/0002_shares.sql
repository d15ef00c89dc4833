ALTER TABLE "provider_key" ADD COLUMN "limits" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "tenant" ADD COLUMN "weight" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "tenant" ADD COLUMN "shares" jsonb DEFAULT '{"teams":{},"features":{}}'::jsonb NOT NULL;