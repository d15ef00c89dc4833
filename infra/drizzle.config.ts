import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'postgresql',
  schema: './libs/postgres/schema/*.ts',
  out: './libs/postgres/migrations',
});
