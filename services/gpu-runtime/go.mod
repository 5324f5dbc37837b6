module github.com/slipway-ai/slipway/services/gpu-runtime

go 1.26.8

require (
	github.com/slipway-ai/slipway/pkg v0.0.0
	github.com/slipway-ai/slipway/proto v0.0.0
)

require (
	github.com/ebitengine/purego v0.11.3 // indirect
	github.com/stretchr/testify v1.12.1 // indirect
)

replace (
	github.com/slipway-ai/slipway/pkg => ../../pkg
	github.com/slipway-ai/slipway/proto => ../../proto
)
