package lru

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheLeastRecentlyUsedGoesFirst(t *testing.T) {
	t.Parallel()
	c := New[int, string](2 * shards)
	same := sameShard(c, 3) // three keys that share a shard of two places
	c.Put(same[0], "a")
	c.Put(same[1], "b")
	_, ok := c.Get(same[0])
	require.True(t, ok)
	c.Put(same[2], "c")
	_, ok = c.Get(same[1])
	require.False(t, ok)
	v, ok := c.Get(same[0])
	require.True(t, ok)
	require.Equal(t, "a", v)
}

func TestItNeverHoldsMoreThanItsLimit(t *testing.T) {
	t.Parallel()
	c := New[int, int](100)
	var wait sync.WaitGroup
	for g := range 8 {
		wait.Go(func() {
			for i := range 2000 {
				c.Put(i*8+g, i)
				c.Get(i)
			}
		})
	}
	wait.Wait()
	require.LessOrEqual(t, c.Len(), 100)
	require.Positive(t, c.Len())
}

func TestPutReplacesAndDeleteFuncForgets(t *testing.T) {
	t.Parallel()
	c := New[string, int](100)
	c.Put("a", 1)
	c.Put("a", 2)
	c.Put("b", 3)
	require.Equal(t, 2, c.Len())
	v, _ := c.Get("a")
	require.Equal(t, 2, v)
	c.DeleteFunc(func(k string, v int) bool { return v == 2 })
	_, ok := c.Get("a")
	require.False(t, ok)
	_, ok = c.Get("b")
	require.True(t, ok)
}

func sameShard(c *Cache[int, string], n int) (keys []int) {
	for k := 0; len(keys) < n; k++ {
		if c.part(k) == c.part(0) {
			keys = append(keys, k)
		}
	}
	return keys
}
