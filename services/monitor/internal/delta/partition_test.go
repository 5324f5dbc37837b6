package delta

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnyTextMayBeAPartition(t *testing.T) {
	t.Parallel()
	names := []string{
		"plain", "with space", "a/b", "..", ".", "100%", "%2F", "a=b", "ünïcødé", "日本語", "emoji 🙂", `back\slash`, "quote'\"",
		"tab\tnewline\n", "colon:semicolon;", "#?&", "__HIVE_DEFAULT_PARTITION__x", "UPPER", "upper", "trailing.", strings.Repeat("é", 300), strings.Repeat("é", 299) + "x",
	}
	eachStore(t, func(t *testing.T, s Store) {
		table := createEvents(t, s, Options{})
		for i, n := range names {
			_, err := table.Append(t.Context(), part(day0, n), eventBatch(i, 1))
			require.NoError(t, err, n)
		}
		_, err := table.Append(t.Context(), map[string]any{"day": nil, "place": ""}, eventBatch(99, 1))
		require.NoError(t, err)
		require.NoError(t, table.Checkpoint(t.Context()))
		again, err := Open(t.Context(), s, Options{})
		require.NoError(t, err)
		for i, n := range names {
			where := []Cond{{Column: "place", Op: Eq, Value: n}}
			found := again.Snapshot().Prune(where)
			require.Len(t, found, 1, n)
			for p, err := range again.Scan(t.Context(), again.Snapshot(), Query{Where: where}) {
				require.NoError(t, err)
				require.Equal(t, n, p.Column("place").Strings[0])
				requireEvents(t, p.Batch, i)
			}
			for seg := range strings.SplitSeq(found[0].Key, "/") {
				require.LessOrEqual(t, len(seg), 255)
				require.NotContains(t, []string{".", ".."}, seg)
			}
		}
		nulls := again.Snapshot().files[len(again.Snapshot().files)-1]
		require.Contains(t, nulls.Key, "day=__HIVE_DEFAULT_PARTITION__/place=__HIVE_DEFAULT_PARTITION__/")
		require.Nil(t, nulls.PartitionValues["place"])
		b, err := again.ReadRows(t.Context(), again.Snapshot(), nulls, []string{"day", "place"}, []int64{0})
		require.NoError(t, err)
		require.True(t, b.Column("place").Null(0))
	})
}

func TestPathsAreEscapedTwiceAsTheFormatWants(t *testing.T) {
	t.Parallel()
	v := "a b/ü"
	key := partitionDir([]string{"endpoint"}, map[string]*string{"endpoint": &v}) + "/f.parquet"
	require.Equal(t, "endpoint=a%20b%2F%C3%BC/f.parquet", key)
	require.Equal(t, "endpoint=a%2520b%252F%25C3%25BC/f.parquet", pathOf(key))
	back, err := keyOf(pathOf(key))
	require.NoError(t, err)
	require.Equal(t, key, back)
}

func TestPartitionValuesKeepTheirType(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		t     Type
		value any
		text  string
	}{
		{Of(Date), int64(-1), "1969-12-31"},
		{Of(Date), int64(day0), "2024-10-04"},
		{Of(Long), int64(-7), "-7"},
		{Of(Timestamp), int64(1_500_000_000_123_456), "2017-07-14 02:40:00.123456"},
		{Of(Boolean), true, "true"},
		{Of(Double), 0.25, "0.25"},
	} {
		text, err := partitionText(c.t, c.value)
		require.NoError(t, err)
		require.Equal(t, c.text, *text)
		back, err := partitionValue(c.t, text)
		require.NoError(t, err)
		require.Equal(t, c.value, back)
	}
}
