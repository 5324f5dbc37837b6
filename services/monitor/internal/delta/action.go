package delta

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Protocol is what a reader or writer of the table must master.
type Protocol struct {
	MinReaderVersion int      `json:"minReaderVersion"`
	MinWriterVersion int      `json:"minWriterVersion"`
	ReaderFeatures   []string `json:"readerFeatures,omitempty"`
	WriterFeatures   []string `json:"writerFeatures,omitempty"`
}

// Format is the format of the data files: always Parquet.
type Format struct {
	Provider string            `json:"provider"`
	Options  map[string]string `json:"options"`
}

// Metadata describes the table: its identity, columns and properties.
type Metadata struct {
	ID               string            `json:"id"`
	Name             string            `json:"name,omitempty"`
	Description      string            `json:"description,omitempty"`
	Format           Format            `json:"format"`
	SchemaString     string            `json:"schemaString"`
	PartitionColumns []string          `json:"partitionColumns"`
	Configuration    map[string]string `json:"configuration"`
	CreatedTime      int64             `json:"createdTime,omitempty"` // ms
}

// Add puts a data file into the table. Path is a percent-encoded relative URI;
// Stats is JSON text or empty.
type Add struct {
	Path             string             `json:"path"`
	PartitionValues  map[string]*string `json:"partitionValues"`
	Size             int64              `json:"size"`
	ModificationTime int64              `json:"modificationTime"` // ms
	DataChange       bool               `json:"dataChange"`
	Stats            string             `json:"stats,omitempty"`
	Tags             map[string]string  `json:"tags,omitempty"`
	DeletionVector   json.RawMessage    `json:"deletionVector,omitempty"`
}

// Remove takes a data file out of the table. The file itself stays until
// Vacuum finds the removal old enough.
type Remove struct {
	Path              string `json:"path"`
	DeletionTimestamp int64  `json:"deletionTimestamp,omitempty"` // ms
	DataChange        bool   `json:"dataChange"`
	Size              int64  `json:"size,omitempty"`
}

// Txn records how far an application has come.
type Txn struct {
	AppID       string `json:"appId"`
	Version     int64  `json:"version"`
	LastUpdated int64  `json:"lastUpdated,omitempty"` // ms
}

// CommitInfo is provenance: engines show it as the table's history. TxnID makes
// a commit recognisable to its own writer.
type CommitInfo struct {
	Timestamp           int64             `json:"timestamp"`
	Operation           string            `json:"operation"`
	OperationParameters map[string]string `json:"operationParameters"`
	IsBlindAppend       *bool             `json:"isBlindAppend,omitempty"`
	OperationMetrics    map[string]string `json:"operationMetrics,omitempty"`
	EngineInfo          string            `json:"engineInfo,omitempty"`
	TxnID               string            `json:"txnId,omitempty"`
}

// UnmarshalJSON takes what it understands and never fails: the format lets every
// writer put what it likes here, and engines disagree even about whether a
// metric is a number or a string.
func (c *CommitInfo) UnmarshalJSON(data []byte) error {
	var raw map[string]json.RawMessage
	_ = json.Unmarshal(data, &raw)
	_ = json.Unmarshal(raw["timestamp"], &c.Timestamp)
	_ = json.Unmarshal(raw["operation"], &c.Operation)
	_ = json.Unmarshal(raw["isBlindAppend"], &c.IsBlindAppend)
	_ = json.Unmarshal(raw["engineInfo"], &c.EngineInfo)
	_ = json.Unmarshal(raw["txnId"], &c.TxnID)
	c.OperationParameters = looseStrings(raw["operationParameters"])
	c.OperationMetrics = looseStrings(raw["operationMetrics"])
	return nil
}

// looseStrings reads an object of anything as an object of text.
func looseStrings(data json.RawMessage) map[string]string {
	var raw map[string]json.RawMessage
	if json.Unmarshal(data, &raw) != nil || raw == nil {
		return nil
	}
	out := make(map[string]string, len(raw))
	for k, v := range raw {
		var s string
		if json.Unmarshal(v, &s) != nil {
			s = string(v)
		}
		out[k] = s
	}
	return out
}

// action is one line of a commit; exactly one field is set. A line with none of
// them is an action that we do not know, which the protocol lets a reader pass
// over once it has accepted the table's protocol.
type action struct {
	CommitInfo *CommitInfo `json:"commitInfo,omitempty"`
	Protocol   *Protocol   `json:"protocol,omitempty"`
	MetaData   *Metadata   `json:"metaData,omitempty"`
	Txn        *Txn        `json:"txn,omitempty"`
	Remove     *Remove     `json:"remove,omitempty"`
	Add        *Add        `json:"add,omitempty"`
}

func marshalActions(as []action) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for i := range as {
		if err := e.Encode(&as[i]); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

func parseActions(key string, data []byte) ([]action, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	var as []action
	for {
		var a action
		err := d.Decode(&a)
		if errors.Is(err, io.EOF) {
			return as, nil
		}
		if err != nil {
			return nil, &CorruptError{Key: key, Cause: fmt.Errorf("action %d: %w", len(as)+1, err)}
		}
		as = append(as, a)
	}
}
