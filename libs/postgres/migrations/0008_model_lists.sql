CREATE TABLE "provider_key_model_list" (
	"provider_key_id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"models" jsonb,
	"model_ids" text[],
	"attempted_at" timestamp with time zone NOT NULL,
	"listed_at" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "provider_key_model_list" ADD CONSTRAINT "provider_key_model_list_provider_key_id_provider_key_id_fk" FOREIGN KEY ("provider_key_id") REFERENCES "public"."provider_key"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "provider_key_model_list_by_tenant" ON "provider_key_model_list" USING btree ("tenant_id");