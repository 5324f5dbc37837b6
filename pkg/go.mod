module github.com/slipway-ai/slipway/pkg

go 1.26.8
