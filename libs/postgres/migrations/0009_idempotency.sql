CREATE TABLE "idempotent_request" (
	"tenant_id" text NOT NULL,
	"scope" "bytea" NOT NULL,
	"fingerprint" "bytea" NOT NULL,
	"state" text NOT NULL,
	"ingress_id" text NOT NULL,
	"request_id" text NOT NULL,
	"result" "bytea",
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "idempotent_request_tenant_id_scope_pk" PRIMARY KEY("tenant_id","scope")
);
--> statement-breakpoint
ALTER TABLE "idempotent_request" ADD CONSTRAINT "idempotent_request_tenant_id_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idempotent_request_by_expiry" ON "idempotent_request" USING btree ("expires_at");