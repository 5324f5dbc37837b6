package demo

import (
	"bufio"
	"crypto/rand"
	_ "embed" // for the questions
	"encoding/hex"
	"fmt"
	"strings"
)

// questionsFile holds real questions, one a line: language, topic, text.
//
//go:embed questions.tsv
var questionsFile string

type question struct{ lang, topic, text string }

// questions are split by what the demo needs: everyday ones are short English, the others long or in other languages.
type questions struct{ everyday, shifted []question }

func loadQuestions() (questions, error) {
	var q questions
	lines := bufio.NewScanner(strings.NewReader(questionsFile))
	for n := 1; lines.Scan(); n++ {
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) != 3 {
			return q, fmt.Errorf("questions.tsv line %d: want language, topic and text", n)
		}
		one := question{fields[0], fields[1], fields[2]}
		if one.lang == "en" && one.topic != "long" && one.topic != "edge" {
			q.everyday = append(q.everyday, one)
		} else if one.topic != "edge" {
			q.shifted = append(q.shifted, one)
		}
	}
	return q, lines.Err()
}

// runID is short, random and fit for every kind of name.
func runID() string {
	var b [3]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // crypto/rand never fails on a supported system
	}
	return hex.EncodeToString(b[:])
}
