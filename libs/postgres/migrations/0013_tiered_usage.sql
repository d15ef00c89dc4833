-- For what other tiers than the standard one have saved; nearly every event is of the standard one.
CREATE INDEX "usage_event_tiered" ON "usage_event" ("started_at") WHERE "price_tier" <> 'standard';
