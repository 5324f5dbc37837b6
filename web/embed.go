// Package web holds the browser UI, built by `make web` into dist/app and embedded into the binary. Without that step
// dist/index.html says so: Go builds never need Node.
package web

import (
	"embed"
	"io/fs"
	"net/http"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// Handler serves the UI. Hashed assets may be cached for ever, the page itself never.
func Handler() http.Handler {
	root := "dist/app"
	if _, err := fs.Stat(dist, root+"/index.html"); err != nil {
		root = "dist"
	}
	files, err := fs.Sub(dist, root)
	if err != nil {
		panic(err) // a constant, valid path
	}
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
		if strings.HasPrefix(r.URL.Path, "/assets/") {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		} else {
			w.Header().Set("Cache-Control", "no-cache")
		}
		server.ServeHTTP(w, r)
	})
}
