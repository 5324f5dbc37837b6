package profile

import (
	"sort"
	"unicode/utf8"
)

// MaxCategoryBytes is the length to which a category's name is cut.
const MaxCategoryBytes = 256

// Categorical summarises a column of names: exact counts while there are few, the
// frequent ones beyond the budget.
//
// Past the budget it is a Misra–Gries summary in the mergeable form of Agarwal et
// al. (2012): no count is too high, none is more than Slack too low, and every
// category with more than Slack rows is present. What the counts lack is known too
// (Count minus their sum), so shares still add up.
type Categorical struct {
	budget   int
	count    int64
	nulls    int64
	items    map[string]int64
	slack    int64
	distinct *registers // once items were dropped
}

// NewCategorical makes an empty summary that is exact up to budget categories.
func NewCategorical(budget int) *Categorical {
	return &Categorical{budget: budget, items: map[string]int64{}}
}

// Add takes a batch of names. null may be nil; otherwise true marks a null.
//
// Names come in runs and from small sets, so the last few are counted aside and
// reach the map once per batch.
func (c *Categorical) Add(values []string, null []bool) {
	var recent [8]Item
	next := 0
	for i, v := range values {
		if null != nil && null[i] {
			c.nulls++
			continue
		}
		c.count++
		hit := false
		for k := range recent {
			if recent[k].Count > 0 && recent[k].Name == v {
				recent[k].Count++
				hit = true
				break
			}
		}
		if hit {
			continue
		}
		if recent[next].Count > 0 {
			c.note(cut(recent[next].Name), recent[next].Count)
		}
		recent[next] = Item{v, 1}
		next = (next + 1) % len(recent)
	}
	for _, r := range recent {
		if r.Count > 0 {
			c.note(cut(r.Name), r.Count)
		}
	}
}

// AddNulls counts n nulls.
func (c *Categorical) AddNulls(n int64) { c.nulls += n }

func (c *Categorical) note(item string, n int64) {
	if c.distinct != nil {
		c.distinct.add(hashText(item))
	}
	c.items[item] += n
	// Shrinking only at twice the budget makes it cheap per row.
	if len(c.items) > 2*c.budget {
		c.shrink()
	}
}

// cut bounds a name without splitting a character.
func cut(s string) string {
	if len(s) <= MaxCategoryBytes {
		return s
	}
	end := MaxCategoryBytes
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// shrink subtracts the (budget+1)-th largest count from all and drops what is not
// positive.
func (c *Categorical) shrink() {
	if len(c.items) <= c.budget {
		return
	}
	if c.distinct == nil {
		c.distinct = &registers{}
		for item := range c.items {
			c.distinct.add(hashText(item))
		}
	}
	counts := make([]int64, 0, len(c.items))
	for _, n := range c.items {
		counts = append(counts, n)
	}
	sort.Slice(counts, func(i, j int) bool { return counts[i] > counts[j] })
	floor := counts[c.budget]
	c.slack += floor
	for item, n := range c.items {
		if n <= floor {
			delete(c.items, item)
		} else {
			c.items[item] = n - floor
		}
	}
}

// Merge adds the summary of other rows.
func (c *Categorical) Merge(other *Categorical) {
	c.count += other.count
	c.nulls += other.nulls
	c.slack += other.slack
	if other.distinct != nil {
		if c.distinct == nil {
			c.distinct = &registers{}
			for item := range c.items {
				c.distinct.add(hashText(item))
			}
		}
		c.distinct.merge(other.distinct)
	}
	for item, n := range other.items {
		if c.distinct != nil {
			c.distinct.add(hashText(item))
		}
		c.items[item] += n
	}
	if len(c.items) > 2*c.budget {
		c.shrink()
	}
}

// Count is the number of names that are not null.
func (c *Categorical) Count() int64 { return c.count }

// Nulls is the number of nulls.
func (c *Categorical) Nulls() int64 { return c.nulls }

// Slack is the most by which any count may be too low; 0 while exact.
func (c *Categorical) Slack() int64 { return c.slack }

// Distinct is the number of distinct names, exact or within about one percent.
func (c *Categorical) Distinct() int64 {
	if c.distinct == nil {
		return int64(len(c.items))
	}
	return c.distinct.estimate()
}

// Item is a name and how often it came.
type Item struct {
	Name  string
	Count int64
}

// Frequent lists the most frequent names, at most n, ties by name. The first is
// the mode.
func (c *Categorical) Frequent(n int) []Item {
	out := make([]Item, 0, len(c.items))
	for name, count := range c.items {
		out = append(out, Item{name, count})
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Count != out[j].Count {
			return out[i].Count > out[j].Count
		}
		return out[i].Name < out[j].Name
	})
	return out[:min(n, len(out))]
}

// Table gives the counts to the drift statistics. Rows whose category was dropped
// are counted under rest, so that the table always sums to Count.
func (c *Categorical) Table(rest string) map[string]int64 {
	out := make(map[string]int64, len(c.items)+1)
	var sum int64
	for name, n := range c.items {
		out[name] += n
		sum += n
	}
	if lost := c.count - sum; lost > 0 {
		out[rest] += lost
	}
	return out
}
