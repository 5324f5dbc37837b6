package flow

import (
	"strconv"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// numbers gives a column as floats, whichever way the batch carries it.
func (b Columns) numbers(name string) (values []float64, null []bool, err error) {
	if c, ok := b.Float64[name]; ok {
		return c.Values, c.Null, b.check(name, len(c.Values), len(c.Null))
	}
	c, ok := b.Int64[name]
	if !ok {
		return nil, nil, missing(name)
	}
	values = make([]float64, len(c.Values))
	for i, v := range c.Values {
		values[i] = float64(v)
	}
	return values, c.Null, b.check(name, len(c.Values), len(c.Null))
}

// texts gives a column as names. A number's name is its digits; 0 becomes the empty
// name, which columns with ZeroIsNull read as a null.
func (b Columns) texts(name string) (values []string, null []bool, err error) {
	if c, ok := b.String[name]; ok {
		return c.Values, c.Null, b.check(name, len(c.Values), len(c.Null))
	}
	c, ok := b.Int64[name]
	if !ok {
		return nil, nil, missing(name)
	}
	values = make([]string, len(c.Values))
	var last int64
	text := ""
	for i, v := range c.Values { // statuses come in runs
		if v != last {
			last, text = v, ""
			if v != 0 {
				text = strconv.FormatInt(v, 10)
			}
		}
		values[i] = text
	}
	return values, c.Null, b.check(name, len(c.Values), len(c.Null))
}

// check holds a batch to the contract of Rows.
func (b Columns) check(name string, values, nulls int) error {
	if values != b.Len || nulls != 0 && nulls != b.Len {
		return fault.New("monitor.scan", fault.Internal, "column %s has %d values and %d null marks for %d rows", name, values, nulls, b.Len)
	}
	return nil
}

func missing(name string) error {
	return fault.New("monitor.scan", fault.Internal, "the inference table gave no column %s", name)
}
