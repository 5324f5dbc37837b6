package dialect

// Field is a top-level member that the gateway knows by name.
type Field uint8

// The members of OpenAI's chat and embeddings requests, of Databricks' invocations, and our own.
const (
	unknown Field = iota
	FieldModel
	FieldMessages
	FieldInput
	FieldStream
	FieldStreamOptions
	FieldMaxTokens
	FieldMaxCompletionTokens
	FieldTemperature
	FieldTopP
	FieldTopK
	FieldN
	FieldStop
	FieldSeed
	FieldFrequencyPenalty
	FieldPresencePenalty
	FieldUser
	FieldSafetyIdentifier
	FieldEncodingFormat
	FieldDimensions
	FieldTools
	FieldToolChoice
	FieldParallelToolCalls
	FieldFunctions
	FieldFunctionCall
	FieldResponseFormat
	FieldLogprobs
	FieldTopLogprobs
	FieldLogitBias
	FieldModalities
	FieldAudio
	FieldMetadata
	FieldStore
	FieldServiceTier
	FieldPromptCacheKey
	FieldPromptVariables
	FieldClientRequestID
	FieldUsageContext
	FieldPrompt
	FieldInputs
	FieldInstances
	FieldDataframeSplit
	FieldDataframeRecords
	fields // how many there are
)

// String is the member's name on the wire.
func (f Field) String() string { return fieldNames[f] }

var fieldNames = [fields]string{
	FieldModel: "model", FieldMessages: "messages", FieldInput: "input", FieldStream: "stream", FieldStreamOptions: "stream_options",
	FieldMaxTokens: "max_tokens", FieldMaxCompletionTokens: "max_completion_tokens", FieldTemperature: "temperature",
	FieldTopP: "top_p", FieldTopK: "top_k", FieldN: "n", FieldStop: "stop", FieldSeed: "seed",
	FieldFrequencyPenalty: "frequency_penalty", FieldPresencePenalty: "presence_penalty", FieldUser: "user",
	FieldSafetyIdentifier: "safety_identifier", FieldEncodingFormat: "encoding_format", FieldDimensions: "dimensions",
	FieldTools: "tools", FieldToolChoice: "tool_choice", FieldParallelToolCalls: "parallel_tool_calls", FieldFunctions: "functions",
	FieldFunctionCall: "function_call", FieldResponseFormat: "response_format", FieldLogprobs: "logprobs",
	FieldTopLogprobs: "top_logprobs", FieldLogitBias: "logit_bias", FieldModalities: "modalities", FieldAudio: "audio",
	FieldMetadata: "metadata", FieldStore: "store", FieldServiceTier: "service_tier", FieldPromptCacheKey: "prompt_cache_key",
	FieldPromptVariables: "prompt_variables", FieldClientRequestID: "client_request_id", FieldUsageContext: "usage_context",
	FieldPrompt: "prompt", FieldInputs: "inputs", FieldInstances: "instances", FieldDataframeSplit: "dataframe_split",
	FieldDataframeRecords: "dataframe_records",
}

// fieldOf finds a member by its name. A switch, because the compiler makes a search by length and content of it.
func fieldOf(name []byte) Field {
	switch string(name) {
	case "model":
		return FieldModel
	case "messages":
		return FieldMessages
	case "input":
		return FieldInput
	case "stream":
		return FieldStream
	case "stream_options":
		return FieldStreamOptions
	case "max_tokens":
		return FieldMaxTokens
	case "max_completion_tokens":
		return FieldMaxCompletionTokens
	case "temperature":
		return FieldTemperature
	case "top_p":
		return FieldTopP
	case "top_k":
		return FieldTopK
	case "n":
		return FieldN
	case "stop":
		return FieldStop
	case "seed":
		return FieldSeed
	case "frequency_penalty":
		return FieldFrequencyPenalty
	case "presence_penalty":
		return FieldPresencePenalty
	case "user":
		return FieldUser
	case "safety_identifier":
		return FieldSafetyIdentifier
	case "encoding_format":
		return FieldEncodingFormat
	case "dimensions":
		return FieldDimensions
	case "tools":
		return FieldTools
	case "tool_choice":
		return FieldToolChoice
	case "parallel_tool_calls":
		return FieldParallelToolCalls
	case "functions":
		return FieldFunctions
	case "function_call":
		return FieldFunctionCall
	case "response_format":
		return FieldResponseFormat
	case "logprobs":
		return FieldLogprobs
	case "top_logprobs":
		return FieldTopLogprobs
	case "logit_bias":
		return FieldLogitBias
	case "modalities":
		return FieldModalities
	case "audio":
		return FieldAudio
	case "metadata":
		return FieldMetadata
	case "store":
		return FieldStore
	case "service_tier":
		return FieldServiceTier
	case "prompt_cache_key":
		return FieldPromptCacheKey
	case "prompt_variables":
		return FieldPromptVariables
	case "client_request_id":
		return FieldClientRequestID
	case "usage_context":
		return FieldUsageContext
	case "prompt":
		return FieldPrompt
	case "inputs":
		return FieldInputs
	case "instances":
		return FieldInstances
	case "dataframe_split":
		return FieldDataframeSplit
	case "dataframe_records":
		return FieldDataframeRecords
	}
	return unknown
}
