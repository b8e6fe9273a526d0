// Vite: what is built, for which browsers, and the development server that stands before Django.

import { defineConfig } from "vitest/config";

const backend = process.env["BACKEND_URL"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  // Django serves the build as static files; the manifest tells django-vite the hashed names.
  base: "/static/",
  build: {
    outDir: "dist",
    manifest: true,
    // The first versions with light-dark(), which the colours of both themes are written in.
    target: ["chrome123", "edge123", "firefox120", "safari17.5"],
    modulePreload: { polyfill: false },
    rolldownOptions: { input: ["src/main.tsx", "src/accounts.tsx"] },
  },
  server: {
    host: "127.0.0.1",
    // The Host header stays the page's own: Django and the WebSocket endpoint compare Origin with it.
    proxy: {
      "/api": { target: backend, changeOrigin: false },
      // The account pages are Django's, with the styles of the last build.
      "/accounts": { target: backend, changeOrigin: false },
      "/static/assets": { target: backend, changeOrigin: false },
      "/connection": { target: backend, changeOrigin: false, ws: true },
    },
  },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}"],
    testTimeout: 10_000,
    // Days and times are shown in local time: the tests pin it.
    env: { TZ: "UTC" },
    restoreMocks: true,
  },
});
