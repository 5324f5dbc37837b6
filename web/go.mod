module github.com/slipway-ai/slipway/web

go 1.26.8
