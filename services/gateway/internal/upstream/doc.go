// Package upstream talks to whoever answers: an engine at a gpu-runtime, over gRPC, or a provider somewhere else, over HTTP.
//
// The HTTP client is the gateway's own. It speaks HTTP/1.1 on kept-alive connections and does one thing: send a body that is
// in memory, hand the answer's bytes to the goroutine that asked. Without the transport goroutines and hand-overs of net/http's
// client a small request costs less than half of the CPU, and unlike with fasthttp an answer can be read as it arrives and a
// caller who goes away ends the call at once. The parsing of answers is net/http's: nobody should write that twice.
//
// Errors are faults: Unavailable when no answer came and another try may help, DeadlineExceeded and Canceled as the context
// says. What a provider answered, good or bad, is an answer and no error.
package upstream
