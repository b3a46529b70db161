package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// printShown prints what a page or a call shows, or how it has failed: a line, as ../../administration/java/Pages.java says.
func printShown(program, name string, shown any, err error) {
	if err != nil {
		shown = fmt.Sprint("error ", err)
	}
	fmt.Fprintf(out, "%s\t%s\t%s\n", program, name, strings.ReplaceAll(fmt.Sprint(shown), "\n", "; "))
	out.Flush()
	time.Sleep(callPause)
}

// readGroup is one that reads a topic, which has so many records.
type readGroup struct {
	name, topic string
	records     int
}

// committedMember is the only member of a group, and has read and committed everything.
func committedMember(ctx context.Context, opts []kgo.Opt, of readGroup) (*kgo.Client, error) {
	member, err := kgo.NewClient(append(opts, kgo.ConsumerGroup(of.name), kgo.ConsumeTopics(of.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())...)
	if err != nil {
		return nil, err
	}
	for read := 0; read < of.records; {
		fetches := member.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		read += fetches.NumRecords()
	}
	return member, member.CommitUncommittedOffsets(ctx)
}
