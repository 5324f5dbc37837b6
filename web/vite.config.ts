import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The Go binary embeds dist/; dist/index.html is the page of a binary without the built app. No inline scripts or styles: the gateway serves a strict content security policy.
export default defineConfig({
  plugins: [react()],
  base: "./",
  build: { target: "es2022", assetsInlineLimit: 0, outDir: "dist/app" },
  server: { proxy: { "/api": "http://127.0.0.1:8080", "/v1": "http://127.0.0.1:8080" } },
});
