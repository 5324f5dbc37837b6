module github.com/slipway-ai/slipway/proto

go 1.26.8
