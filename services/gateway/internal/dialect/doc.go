// Package dialect reads and writes the languages that clients and providers speak.
//
// A gateway sees every prompt and should read almost none of it. A request is validated in one pass over its bytes, which
// notes where its top-level members lie and builds nothing: no map, no tree, no copy. What the gateway must know (the model,
// whether to stream, the limits of the answer) is then read from those places, and what it must change (the model's name, the
// request for usage) is spliced between the untouched rest. A prompt of 400 KB costs one scan and, on its way to a provider,
// one copy.
//
// The pass is strict, because what two parsers understand differently is how policies are evaded: duplicate members are
// refused, also when one is spelled with escapes; so is invalid UTF-8, and everything else that RFC 8259 does not allow.
//
// Translators are named from_to: openai_engine.go turns an OpenAI request into one for a local engine, engine_openai.go the
// answer back. Between two parties that both speak OpenAI there is no translator: bytes pass, and a reader (answer.go, sse.go)
// looks over their shoulder for usage, text and errors.
package dialect
