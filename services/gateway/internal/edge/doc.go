// Package edge is where requests for answers come in: OpenAI's chat completions, embeddings and models, and Databricks'
// invocations, over HTTP.
//
// A request takes one road, and no step of it can be left out by choosing another surface:
//
//	authenticate → count against the limit → read the body → resolve the endpoint → ask for access → pick a served entity →
//	BEGIN in the log → (render the prompt) → engine or provider → END in the log → last byte
//
// Before BEGIN a request can only be refused, and then it becomes a row at once. After BEGIN it has exactly one END, whatever
// happens: an answer, an error, a caller that hung up (status 499), a panic. The END is durable before the answer's last byte
// leaves, so whoever has an answer has a row.
//
// Before the first token a failure is invisible: another replica is tried, or the same one when it is back, for as long as the
// request may take. After the first token it cannot be hidden; the stream then ends in an error event, never in a false stop.
//
// Tokens are always counted. A client that asks for no usage gets none, but its provider was asked; when nobody counts, or the
// caller leaves before the count comes, an estimate is written down and says that it is one.
package edge
